"""Which rows of a snapshot may still be recommended.

A snapshot may be a second old. The chosen songs are read from the database before they are
returned, so a song that was deleted or hidden in between is never returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.models import SongEmotion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot


def available_emotions(
    snapshot: IndexSnapshot, rows: NDArray[np.int64], fields: Sequence[str] = ()
) -> dict[int, SongEmotion]:
    """Return the emotions of those rows that may be recommended now, by song id.

    Of each emotion only `fields` are loaded.
    """
    emotions = SongEmotion.objects.filter(
        model_version=snapshot.model_version, song_id__in=snapshot.song_ids[rows].tolist()
    )
    # With "available and analysed" in SQL, SQLite would walk all songs that are.
    loaded = emotions.order_by().select_related("song")
    shown = (*fields, "song__is_available", "song__status", "song__keeps_emotion")
    return {
        emotion.song_id: emotion for emotion in loaded.only(*shown) if emotion.song.is_recommendable
    }


def unavailable_rows(
    snapshot: IndexSnapshot, rows: NDArray[np.int64], emotions: Mapping[int, SongEmotion]
) -> list[int]:
    """Return the rows that have none of the `available_emotions`."""
    return [row for row in rows.tolist() if int(snapshot.song_ids[row]) not in emotions]
