"""Loads a collection of a vector database from the database of Affetti.

The new collection is loaded beside the one in use, in order of the song ids. After each batch the
last id is written to a file, so a load that was killed goes on where it was; the last batch is
perhaps written twice, which changes nothing. At last the songs that changed meanwhile are applied.
A folder of the same name then holds the statistics and a manifest, like that of a build in files.
"""

from __future__ import annotations

import itertools
import json
import logging
import shutil
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from django.conf import settings
from django.utils import timezone

from catalog.changes import position_now
from catalog.versions import emotions_visible
from mer.files import written_aside as file_written_aside
from mer.prediction import EMBEDDING_DIM
from recommender.errors import IndexMissingError
from recommender.index.directories import (
    FORMAT_VERSION,
    IndexManifest,
    files_of,
    manifest_write,
    written_aside,
)
from recommender.index.protocol import Nearest
from recommender.index.remote import QDRANT, RemoteIndex, changes_apply, points_write
from recommender.index.rows import AFFECT_DIM, COLUMNS, Genres, rows_in, rows_of_songs
from recommender.index.statistics import SAMPLE_ROWS, SAMPLED, Statistics, statistics_of

if TYPE_CHECKING:
    from recommender.index.points import Collections

logger = logging.getLogger(__name__)

PAGE_ROWS: Final = 20_000
"""A query reads so many songs, so no transaction is open for long."""
_RECALL_QUERIES: Final = 100
_RECALL_K: Final = 20
_STATE: Final = "loading.json"
_SAMPLE: Final = "loading.npz"


@dataclass(frozen=True, slots=True)
class Loading:
    """A load that has begun."""

    name: str
    """Of the collection."""
    model_version: str
    position: str
    """In the change log; what changed after it is applied at last."""
    last_song_id: int
    """Songs up to this one are in the collection."""
    format_version: int
    """Of the release that began it; another one begins anew."""


def loading_now() -> Loading | None:
    """Return the load that goes on, or that was killed."""
    try:
        return Loading(**json.loads(_path(_STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def collection_load(held: Collections, model_version: str) -> tuple[str, IndexManifest]:
    """Load a new collection; return its name and its manifest.

    A load that was killed goes on. The folder of the collection is written at last.
    """
    loading, statistics = _resumed(held, model_version) or _begun(held, model_version)
    genres = Genres()
    emotions = emotions_visible(model_version=model_version)
    while True:
        rest = emotions.filter(song_id__gt=loading.last_song_id).order_by("song_id")
        last = rest.values_list("song_id", flat=True)[PAGE_ROWS - 1 : PAGE_ROWS].first()
        page = rest if last is None else rest.filter(song_id__lte=last)
        for rows in rows_in(page, genres):
            points_write(held, loading.name, rows, genres, statistics)
            loading = replace(loading, last_song_id=int(rows.columns["song_ids"][-1]))
            _state_write(loading)
        if last is None:
            break
    held.settle(loading.name)
    position = changes_apply(
        held,
        loading.name,
        statistics,
        position=loading.position,
        model_version=model_version,
    )
    if not position:
        loading_forget(held)
        raise IndexMissingError(
            "What changed while the collection was loaded is not known; build the index again"
        )
    return loading.name, _finished(held, replace(loading, position=position), statistics)


def loading_forget(held: Collections | None = None) -> None:
    """Forget the load; with `held`, delete its collection."""
    loading = loading_now()
    if held is not None and loading is not None:
        held.drop(loading.name)
    for name in (_STATE, _SAMPLE):
        _path(name).unlink(missing_ok=True)


def statistics_of_folder(directory: Path) -> Statistics:
    """Return the statistics in the folder of a collection."""
    return Statistics(
        *(
            np.load(directory / f"{name}_of_sample.npy", allow_pickle=False)
            for name in Statistics.__dataclass_fields__
        )
    )


def _resumed(held: Collections, model_version: str) -> tuple[Loading, Statistics] | None:
    loading = loading_now()
    if loading is None:
        return None
    is_begun = loading.last_song_id >= 0 and loading.name in held.names()
    is_ours = (loading.model_version, loading.format_version) == (model_version, FORMAT_VERSION)
    if not is_ours or not is_begun:
        loading_forget(held)
        return None
    with np.load(_path(_SAMPLE), allow_pickle=False) as sample:
        statistics = Statistics(**sample)
    logger.info("Loading %s goes on after song %d", loading.name, loading.last_song_id)
    return loading, statistics


def _begun(held: Collections, model_version: str) -> tuple[Loading, Statistics]:
    position = position_now()
    name = f"affetti-{timezone.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
    statistics = _sampled(model_version)
    with file_written_aside(_path(_SAMPLE)) as aside, aside.open("wb") as file:
        np.savez(file, **asdict(statistics))
    loading = Loading(name, model_version, position, -1, FORMAT_VERSION)
    _state_write(loading)
    held.create(name)
    return loading, statistics


def _sampled(model_version: str) -> Statistics:
    """Return the statistics of the songs of a version, from the same sample as in files."""
    emotions = emotions_visible(model_version=model_version)
    step = max(1, emotions.count() // SAMPLE_ROWS)
    ids = emotions.order_by("song_id").values_list("song_id", flat=True).iterator()
    chunks = [*rows_of_songs(emotions, [*itertools.islice(ids, 0, None, step)], Genres())]
    if not chunks:
        nothing = np.zeros((0, EMBEDDING_DIM), np.float32)
        widths = {name: nothing[:, : COLUMNS[name].width] for name in SAMPLED}
        return statistics_of(widths, nothing)
    sample = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in SAMPLED}
    return statistics_of(sample, np.concatenate([chunk.fused for chunk in chunks]))


def _finished(held: Collections, loading: Loading, statistics: Statistics) -> IndexManifest:
    index = RemoteIndex(held, loading.name, statistics)
    directory = _path(loading.name)
    # Of a process that was killed before the collection was in use.
    shutil.rmtree(directory, ignore_errors=True)
    with written_aside(directory) as aside:
        for name in Statistics.__dataclass_fields__:
            np.save(aside / f"{name}_of_sample.npy", getattr(statistics, name))
        manifest = IndexManifest(
            format_version=FORMAT_VERSION,
            model_version=loading.model_version,
            row_count=len(index),
            embedding_dim=EMBEDDING_DIM,
            affect_dim=AFFECT_DIM,
            index_type=QDRANT,
            nprobe=0,
            trained_rows=0,
            recall_at_20=_recall(index, held),
            position=loading.position,
            files=files_of(aside),
        )
        manifest_write(aside, manifest)
    return manifest


def _recall(index: RemoteIndex, held: Collections) -> float:
    """Return the mean share of the true nearest 20 of some songs that searches find."""
    songs = held.matching(index.name, None, _RECALL_QUERIES)
    vectors = held.fused(index.name, [song.song_id for song in songs])
    shares = []
    for vector in vectors.values():
        nearest = Nearest(np.array(vector, np.float32), _RECALL_K)
        true = index.search(nearest, is_exact=True)
        shares.append(len({*true} & {*index.search(nearest)}) / max(1, len(true)))
    return float(np.mean(shares)) if shares else 1.0


def _state_write(loading: Loading) -> None:
    with file_written_aside(_path(_STATE)) as aside:
        aside.write_text(json.dumps(asdict(loading)))


def _path(name: str) -> Path:
    folder = Path(settings.AFFETTI_INDEX_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
