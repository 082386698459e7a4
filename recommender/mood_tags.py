"""The moods of songs as tags of files say them, in English, as players expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalog import analysis
from catalog.models import SongEmotion
from mer.affect import AffectPoint
from recommender.moods import MOODS, mood_nearest, said

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_MOODS: Final = 4


def moods_of_songs(song_ids: Sequence[int], *, least: float) -> dict[int, tuple[str, ...]]:
    """Return the moods of songs by id, the surest first: in one query.

    The first is the mood nearest to the place of the song; emotions of at least the probability
    `least` follow. Songs that the model does not know well have none; others are absent.
    """
    rows = SongEmotion.objects.filter(
        song__in=song_ids, model_version=analysis.serving_version_in_sql()
    ).only("song_id", "valence", "arousal", "emotions", "novelty", "predicted")
    return {row.song_id: () if row.is_unfamiliar else _moods(row, least) for row in rows}


def _moods(row: SongEmotion, least: float) -> tuple[str, ...]:
    nearest = mood_nearest(AffectPoint(row.valence, row.arousal))
    strong = sorted(row.emotions.items(), key=lambda item: (-item[1], item[0]))
    words = [said(MOODS[name]) for name, share in strong if share >= least and name in MOODS]
    return tuple(dict.fromkeys([nearest, *words]))[:MOST_MOODS]
