"""A suite of the labelled data sets, with predictions that no network made of its training songs.

Out of fold, each fold of the cross-validation is a catalogue of its own, because the embeddings of
two networks cannot be compared. Songs of the test split are predicted by the packaged checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer import checkpoint
from mer.batches import AffettiConfig
from mer.encoders.low_rank import unbundled
from mer.files import written_aside
from mer.network import AffettiNetwork
from mer.research.datasets import mirex, panda4q
from mer.research.datasets.base import drop_overlaps, read_table
from mer.research.evaluation.evaluate import calibrated_folds
from mer.research.evaluation.neighbours import mfcc_statistics, musicnn_embeddings
from mer.research.house.mixture import Plane, load_tracks
from mer.research.house.trainer import Recipe
from mer.research.house.training import Material, text_start
from mer.research.house.validation import cross_validate, predict
from mer.research.inputs.features import FeatureCache
from mer.research.playlists.queries import queries_of
from mer.research.playlists.suite import LabelledSong, Labels, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.datasets.base import Track
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

SETS: Final = ("panda4q", "mirex")
MUSICNN: Final = "MusiCNN"
MFCC: Final = "MFCC"
INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ("audio", "lyrics", "context"),
    "sound": ("audio",),
}
"""Sets of inputs: everything, and the sound alone, as of songs without lyrics, title and artist."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Songs of one data set that one network predicts."""

    name: str
    songs: Sequence[TrackFeatures]
    network: AffettiNetwork


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network computes of songs, aligned.

    Parameters
    ----------
    songs, catalogues : sequence of str
    affect : (songs, 2) float ndarray
        Valence, arousal.
    quadrants : (songs, 4) float ndarray
    emotions : (songs, 8) float ndarray
    fused : (songs, 256) float ndarray
        Comparable within a catalogue only.
    """

    songs: Sequence[str]
    catalogues: Sequence[str]
    affect: Floats
    quadrants: Floats
    emotions: Floats
    fused: Floats

    def write(self, path: Path) -> None:
        """Write the arrays to one ``.npz`` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as part, part.open("wb") as file:
            np.savez(
                file,
                songs=np.array(self.songs),
                catalogues=np.array(self.catalogues),
                affect=self.affect.astype(np.float32),
                quadrants=self.quadrants.astype(np.float32),
                emotions=self.emotions.astype(np.float32),
                fused=self.fused.astype(np.float32),
            )

    def by_song(self, column: Floats) -> dict[str, Floats]:
        """Rows of one of the arrays by song."""
        return dict(zip(self.songs, column, strict=True))


def out_of_fold_catalogues(
    data: Path, cache: Path, work: Path, copies: int, first: int | None = None
) -> tuple[list[Catalogue], Plane]:
    """Songs outside the test split, one catalogue per data set and fold.

    Parameters
    ----------
    data, cache, work : Path
        As of ``python -m mer.research train``; finished folds are read from `work`.
    copies : int
        Distorted copies of each song in the training.
    first : int or None
        Number of folds whose networks are trained and whose songs are taken; None takes all.
    """
    recipe, config = Recipe(copies=copies), AffettiConfig()
    material = Material.load(data, cache, work, copies, only_development=True)
    start = text_start(recipe, config, material, work)
    shared = (recipe, config, material.development, material.plane, work)
    folds = cross_validate(*shared, first=first, start=start)
    folds = calibrated_folds(config, folds, material.plane)
    return list(_by_fold(folds)), material.plane


def _by_fold(folds: Sequence[FoldNetwork]) -> Iterable[Catalogue]:
    for name in SETS:
        for number, fold in enumerate(folds):
            held = [song for song in fold.held_out if song.track.dataset == name]
            yield Catalogue(f"{name}, out of fold/{number + 1}", held, fold.network)


def test_catalogues(data: Path, cache: Path) -> tuple[list[Catalogue], Plane]:
    """Songs of the test split, predicted by the packaged checkpoint, which was not trained on them.

    Parameters
    ----------
    data, cache : Path
    """
    state, config = checkpoint.load(checkpoint.packaged_path("affetti"))
    weights, adapter = unbundled(state)
    network = AffettiNetwork(AffettiConfig(**config))
    network.load_state_dict(weights)
    tracks = drop_overlaps([*panda4q.load(data), *mirex.load(data)], data)
    tested = [track for track in tracks if track.split == "test"]
    songs = FeatureCache(cache, is_wide=True, adapter=adapter).features(tested)
    plane = Plane.of(load_tracks(data))
    return [
        Catalogue(
            f"{name}, test split/1",
            [song for song in songs if song.track.dataset == name],
            network.eval(),
        )
        for name in SETS
    ], plane


def predictions(catalogues: Iterable[Catalogue], inputs: Sequence[str]) -> Predictions:
    """Predict the songs of all catalogues from some of their inputs."""
    songs, names = [], []
    parts: list[tuple[Floats, ...]] = []
    for catalogue in catalogues:
        if not catalogue.songs:
            continue
        output = predict(catalogue.network, catalogue.songs, inputs)
        parts.append(
            (
                output.affect.double().numpy(),
                output.quadrant_logits.double().softmax(dim=1).numpy(),
                output.emotion_logits.double().softmax(dim=1).numpy(),
                output.fused_embedding.double().numpy(),
            )
        )
        songs += [song_name(song.track) for song in catalogue.songs]
        names += [catalogue.name] * len(catalogue.songs)
    return Predictions(songs, names, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def suite_of(catalogues: Sequence[Catalogue], plane: Plane, data: Path) -> Suite:
    """Labelled songs with queries, and MusiCNN and MFCC vectors of their sound."""
    more = _metadata(data)
    songs = {}
    for catalogue in catalogues:
        for song in catalogue.songs:
            found = _labelled(song.track, catalogue.name, plane, more)
            songs[found.name] = found
    suite = Suite(songs, {})
    queries = {
        query.name: query
        for name, held in suite.catalogues.items()
        for query in queries_of(name, held)
    }
    features = [song for catalogue in catalogues for song in catalogue.songs]
    return Suite(songs, queries, _vectors(features))


def _labelled(
    track: Track, catalogue: str, plane: Plane, more: Mapping[str, dict[str, str]]
) -> LabelledSong:
    labels, name = track.labels, song_name(track)
    # The norm of one adjective is no reliable place: mirex has clusters and adjectives alone.
    is_placed = track.dataset == "panda4q"
    row = more[name]
    return LabelledSong(
        name=name,
        catalogue=catalogue,
        group=track.artist_group or name,
        labels=Labels(
            quadrants=frozenset({str(labels.quadrant)} if labels.quadrant else ()),
            cluster="" if labels.cluster is None else mirex.CLUSTERS[labels.cluster],
            place=plane.place(track.dataset, labels) if is_placed else None,
            words=frozenset() if is_placed else frozenset(labels.mood_words),
        ),
        genres=frozenset(g.strip() for g in row.get("genres", "").split(";") if g.strip()),
        year=int(row["year"]) if row.get("year", "").isdigit() else None,
        title=track.title or "",
        artist=track.artist or "",
    )


def _metadata(data: Path) -> dict[str, dict[str, str]]:
    """Rows of the song tables, for genres and years."""
    tables = (("panda4q", panda4q.LICENCE), ("mirex", mirex.LICENCE))
    return {
        f"{name}-{row['id']}": row
        for name, licence in tables
        for row in read_table(data / name / "songs.csv", ("id",), licence=licence)
    }


def _vectors(songs: Sequence[TrackFeatures]) -> dict[str, dict[str, Floats]]:
    heard = [song for song in songs if song.audio is not None and song.track.audio_path is not None]
    names = [song_name(song.track) for song in heard]
    paths = [song.track.audio_path for song in heard if song.track.audio_path is not None]
    tables = {MUSICNN: musicnn_embeddings(heard), MFCC: mfcc_statistics(paths)}
    return {
        space: dict(zip(names, vectors, strict=True)) for space, vectors in tables.items() if names
    }


def song_name(track: Track) -> str:
    """Name of a track in the suite."""
    return f"{track.dataset}-{track.track_id}"
