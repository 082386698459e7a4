"""Data sets on which the house network is trained, their targets, and their loss weights.

Each data set has labels for some targets; the loss ignores the others:

============== ======== ======= =============== ========= ==== ============================
set            quadrant cluster valence/arousal emotions  gems inputs
============== ======== ======= =============== ========= ==== ============================
panda4q        yes              by its words    by words       audio and context
mirex                   yes     by its word     by word        audio, lyrics and context
emopia         yes              by quadrant                    audio
emotify                         by felt                   yes  audio
composed       yes              as composed                    audio
mood_words     yes      yes     by the words    by words       lyrics: the songs' mood words
warriner       soft             rated                          lyrics: one word
emobank        soft             rated                          lyrics: one sentence
goemotions                      by its emotions mapped         lyrics: one comment
gems_lyrics                                               yes  lyrics
deezer_va                       by tags                        context: title and artist
poem_sentiment                  valence                        lyrics: one verse
============== ======== ======= =============== ========= ==== ============================

A soft quadrant is the product of valence and arousal as probabilities of being high. Clusters are
not converted to quadrants, because that lowers quadrant accuracy.

Valence and arousal are mapped to one plane by ``sigmoid((x - mean) / deviation)``. The moments are
those of panda4q's training clips for all labels by word norms (their quadrants are balanced, so 0.5
is the boundary between quadrants in music). EmoBank and Deezer have their own. The polarity of a
verse is a valence of 0.2, 0.5 or 0.8, without arousal. A clip of emopia lies at the middle of its
quadrant.

GEMS targets are shares of listeners who feel each emotion. Counts on lyrics are scaled to as many
marks a listener as Emotify has. Felt shares are mapped to the plane by a crosswalk: valence is
``z(joy) - z(sadness) - z(tension) / 2``, arousal ``z(power) + z(joy) - z(calmness) -
z(tenderness)``, each divided by its deviation.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from mer.affect import EMOTIONS, GEMS, QUADRANTS, Quadrant
from mer.errors import DatasetError
from mer.research.datasets import (
    composed,
    deezer_va,
    emobank,
    emopia,
    emotify,
    gems_lyrics,
    goemotions,
    mirex,
    panda4q,
    poem_sentiment,
    warriner,
)
from mer.research.datasets.base import AffectLabels, Track, drop_overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

SONG_SETS: Final = ("panda4q", "mirex", "emopia", "emotify", "composed")
DISTORTED_SETS: Final = ("panda4q", "mirex", "emopia", "emotify")
"""Sets whose songs are also trained on as distorted copies."""
TEXT_SETS: Final = (
    "mood_words",
    "warriner",
    "emobank",
    "goemotions",
    "gems_lyrics",
    "deezer_va",
    "poem_sentiment",
)
GENERAL_TEXTS: Final = ("warriner", "emobank", "goemotions", "poem_sentiment")
"""Sets of texts that are about no song of `SONG_SETS`."""
GOEMOTIONS_TRACKS: Final = 8000

TASKS: Final = ("quadrant", "cluster", "valence", "arousal", "emotions", "gems")
LOSS_WEIGHTS: Final = {  # in the order of TASKS
    "panda4q": (2.0, 0.0, 2.0, 2.0, 0.6, 0.0),
    "mirex": (0.0, 2.0, 0.6, 0.6, 0.2, 0.0),
    "emopia": (1.0, 0.0, 0.5, 0.5, 0.0, 0.0),
    "emotify": (0.0, 0.0, 0.3, 0.5, 0.0, 1.5),
    "composed": (0.5, 0.0, 0.5, 0.5, 0.0, 0.0),
    "mood_words": (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    "warriner": (0.5, 0.0, 4.0, 4.0, 0.0, 0.0),
    "emobank": (0.5, 0.0, 4.0, 4.0, 0.0, 0.0),
    "goemotions": (0.0, 0.0, 0.25, 0.25, 1.0, 0.0),
    "gems_lyrics": (0.0, 0.0, 0.0, 0.0, 0.0, 0.5),
    "deezer_va": (0.0, 0.0, 0.5, 0.5, 0.0, 0.0),
    "poem_sentiment": (0.0, 0.0, 0.5, 0.0, 0.0, 0.0),
}
_POLARITY_STEP: Final = 0.3
_RATED_TEXTS: Final = ("warriner", "emobank")
_BY_QUADRANT: Final = ("emopia",)
_MIDDLE: Final = 0.23
"""Distance of a quadrant's middle from neutral: one deviation on the plane."""
FELT_VALENCE: Final = {"joyful_activation": 1.0, "sadness": -1.0, "tension": -0.5}
"""Crosswalk from standardised felt emotions to valence."""
FELT_AROUSAL: Final = {
    "power": 1.0, "joyful_activation": 1.0, "calmness": -1.0, "tenderness": -1.0
}  # fmt: skip
"""Crosswalk from standardised felt emotions to arousal."""


class Targets(NamedTuple):
    """Targets of some songs; an unknown target is zeros with weight 0.

    Attributes
    ----------
    quadrant, cluster, emotions : (songs, 4), (songs, 5), (songs, 8) float Tensors
        Distributions.
    gems : (songs, 9) float Tensor in [0, 1]
        Shares of listeners.
    affect : (songs, 2) float Tensor in (0, 1)
        Valence and arousal on the plane (see the module).
    weights : (songs, 6) float Tensor
        Loss weight of each of `TASKS`.
    """

    quadrant: Tensor
    cluster: Tensor
    affect: Tensor
    emotions: Tensor
    gems: Tensor
    weights: Tensor


Moments = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plane:
    """Moments that map each set's valence and arousal to one plane; see the module.

    Parameters
    ----------
    words, emobank, deezer : ((mean, deviation) of valence, of arousal)
    felt : 2 tuples of 10 floats
        For valence and arousal, weights of the nine felt shares and a shift.
    marks : float
        Mean number of felt emotions that a listener marks.
    """

    words: Moments
    emobank: Moments
    deezer: Moments
    felt: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0,) * (len(GEMS) + 1),) * 2
    marks: float = 1.0

    @classmethod
    def of(cls, tracks: Iterable[Track]) -> Plane:
        """Moments of the training tracks among `tracks`.

        Raises
        ------
        DatasetError
            If panda4q, EmoBank or Deezer has no labelled training track among them.
        """
        tracks = list(tracks)
        words, sentences, tags = (
            _moments(tracks, name) for name in ("panda4q", "emobank", "deezer_va")
        )
        rows = [t.labels.felt for t in tracks if t.labels.felt is not None and t.split == "train"]
        if len(rows) < 2:
            return cls(words, sentences, tags)
        shares = torch.tensor(rows, dtype=torch.float64)
        felt = _felt_weights(shares, FELT_VALENCE), _felt_weights(shares, FELT_AROUSAL)
        return cls(words, sentences, tags, felt, float(shares.sum(dim=1).mean()))

    @classmethod
    def of_sentences(cls, tracks: Iterable[Track]) -> Plane:
        """Moments of EmoBank's training sentences; labels of no other set can be placed with it.

        Composed pieces need none.

        Raises
        ------
        DatasetError
            If EmoBank has too few labelled training tracks.
        """
        unknown = ((0.5, 0.25), (0.5, 0.25))
        return cls(unknown, _moments(list(tracks), "emobank"), unknown)

    def place(self, dataset: str, labels: AffectLabels) -> tuple[float, float] | None:
        """Valence and arousal of `labels` on the plane; None if they have none."""
        if labels.felt is not None:
            return self._felt_place(labels.felt)
        if dataset in _BY_QUADRANT and labels.quadrant is not None:
            return _middle(labels.quadrant)
        if labels.valence is None or labels.arousal is None:
            return None
        if dataset == "composed":
            return labels.valence, labels.arousal
        own = {"emobank": self.emobank, "deezer_va": self.deezer}
        valence, arousal = own.get(dataset, self.words)
        return _squash(labels.valence, *valence), _squash(labels.arousal, *arousal)

    def _felt_place(self, felt: Sequence[float]) -> tuple[float, float]:
        valence, arousal = (
            _squash(sum(w * share for w, share in zip(weights, (*felt, 1.0), strict=True)), 0, 1)
            for weights in self.felt
        )
        return valence, arousal


def _middle(quadrant: Quadrant) -> tuple[float, float]:
    valence = _MIDDLE if quadrant in (Quadrant.Q1, Quadrant.Q4) else -_MIDDLE
    arousal = _MIDDLE if quadrant in (Quadrant.Q1, Quadrant.Q2) else -_MIDDLE
    return 0.5 + valence, 0.5 + arousal


def _felt_weights(shares: Tensor, crosswalk: Mapping[str, float]) -> tuple[float, ...]:
    """Weights of the shares, and a shift, that give the crosswalk with mean 0 and deviation 1."""
    wanted = torch.tensor([crosswalk.get(name, 0.0) for name in GEMS], dtype=torch.float64)
    weights = wanted / shares.std(dim=0).clamp(min=1e-6)
    places = shares @ weights
    weights = weights / places.std().clamp(min=1e-6)
    return (*weights.tolist(), -float((shares @ weights).mean()))


def _moments(tracks: Sequence[Track], dataset: str) -> Moments:
    points = [
        (track.labels.valence, track.labels.arousal)
        for track in tracks
        if track.dataset == dataset and track.split == "train" and track.labels.valence is not None
    ]
    if len(points) < 2:
        raise DatasetError(f"{dataset} has fewer than two training tracks with valence")
    table = torch.tensor(points, dtype=torch.float64)
    (valence, arousal), (valence_std, arousal_std) = table.mean(0).tolist(), table.std(0).tolist()
    return (valence, valence_std), (arousal, arousal_std)


def _squash(value: float, mean: float, deviation: float) -> float:
    return 1 / (1 + math.exp((mean - value) / deviation))


def load_tracks(root: Path) -> list[Track]:
    """All tracks of the mixture, each with its split.

    By hash, a fifth of Warriner's words is their test split and a twentieth their validation
    split, and 8,000 of GoEmotions' training comments are used. The mood words of panda4q and the
    adjectives of mirex are additional texts (set ``mood_words``) in the split of their song. Songs
    of Deezer and GEMS by artists of the song sets' test splits are left out, if the names are
    spelled alike.

    Parameters
    ----------
    root : Path
        Folder of the data sets.

    Raises
    ------
    DatasetError
        If a data set is missing or damaged.
    """
    songs = drop_overlaps([*panda4q.load(root), *mirex.load(root)], root)
    others = [*emopia.load(root), *emotify.load(root), *composed.load(root)]
    words = [
        Track("mood_words", f"{song.dataset}-{song.track_id}", song.split, song.labels,
              lyrics=", ".join(song.labels.mood_words), artist_group=song.artist_group)
        for song in songs
    ]  # fmt: skip
    lemmas = []
    for track in warriner.load(root):
        fold = _hash(track.track_id) % 20
        lemmas.append(replace(track, split="test" if fold < 4 else "val" if fold == 4 else "train"))
    tested = {song.artist_group for song in songs if song.split == "test"}
    weak = [
        replace(track, lyrics=None) if track.dataset == "deezer_va" else _without_context(track)
        for track in (*deezer_va.load(root), *gems_lyrics.load(root))
        if track.artist_group not in tested and (track.lyrics or track.dataset == "deezer_va")
    ]
    texts = (*lemmas, *emobank.load(root), *some_comments(goemotions.load(root)))
    return [*songs, *others, *words, *texts, *weak, *poem_sentiment.load(root)]


def some_comments(comments: Iterable[Track]) -> list[Track]:
    """Choose `GOEMOTIONS_TRACKS` training comments by hash."""
    training = [track for track in comments if track.split == "train"]
    return sorted(training, key=lambda track: _hash(track.track_id))[:GOEMOTIONS_TRACKS]


def _without_context(track: Track) -> Track:
    return replace(track, title=None, artist=None)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def targets(tracks: Sequence[Track], plane: Plane) -> Targets:
    """Targets of `tracks`.

    Parameters
    ----------
    tracks : sequence of Track
    plane : Plane

    Returns
    -------
    Targets
    """
    sizes = (len(QUADRANTS), 5, 1, 1, len(EMOTIONS), len(GEMS))
    rows: dict[str, list[list[float]]] = {task: [] for task in TASKS}
    weights = []
    for track in tracks:
        known = _known(track, plane)
        for task, size in zip(TASKS, sizes, strict=True):
            rows[task].append(known.get(task, [0.0] * size))
        stated = LOSS_WEIGHTS[track.dataset]
        weights.append([w * (task in known) for task, w in zip(TASKS, stated, strict=True)])
    quadrant, cluster, valence, arousal, emotions, gems = (torch.tensor(rows[t]) for t in TASKS)
    affect = torch.cat([valence, arousal], dim=1)
    return Targets(quadrant, cluster, affect, emotions, gems, torch.tensor(weights))


def _known(track: Track, plane: Plane) -> dict[str, list[float]]:
    labels, known = track.labels, {}
    point = plane.place(track.dataset, labels)
    if point is not None:
        valence, arousal = point
        known["valence"], known["arousal"] = [valence], [arousal]
        if track.dataset in _RATED_TEXTS:
            known["quadrant"] = [
                valence * arousal,
                (1 - valence) * arousal,
                (1 - valence) * (1 - arousal),
                valence * (1 - arousal),
            ]
    if labels.quadrant is not None:
        known["quadrant"] = [float(quadrant == labels.quadrant) for quadrant in QUADRANTS]
    if labels.cluster is not None:
        known["cluster"] = [float(cluster == labels.cluster) for cluster in range(5)]
    if labels.emotions is not None:
        known["emotions"] = list(labels.emotions)
    if labels.felt is not None:
        known["gems"] = list(labels.felt)
    elif labels.gems is not None:
        known["gems"] = [min(1.0, plane.marks * share) for share in labels.gems]
    if labels.polarity is not None:
        known["valence"] = [0.5 + _POLARITY_STEP * labels.polarity]
    return known


class TextSet(NamedTuple):
    """Indices of the texts of one set, and the set's share of a batch."""

    indices: Tensor
    share: float


def text_sets(tracks: Sequence[Track]) -> list[TextSet]:
    """Find the texts of each set of `TEXT_SETS` that has any, and the set's share of a batch.

    Texts about no song were met before (`house.reading`), so that a quarter as many are enough.
    """
    names = [track.dataset for track in tracks]
    indices = {name: [i for i, other in enumerate(names) if other == name] for name in TEXT_SETS}
    share = {name: 1.0 if name in GENERAL_TEXTS else 4.0 for name in TEXT_SETS if indices[name]}
    return [
        TextSet(torch.tensor(indices[name]), weight / sum(share.values()))
        for name, weight in share.items()
    ]


def drawn_texts(sets: Sequence[TextSet], texts: int) -> Tensor:
    """Draw the indices of about `texts` random texts."""
    drawn = [
        part.indices[torch.randint(len(part.indices), (round(texts * part.share),))]
        for part in sets
    ]
    return torch.cat([torch.empty(0, dtype=torch.int64), *drawn])
