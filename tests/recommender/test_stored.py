"""Every sentence that code stores has a registered message, which translates it later."""

from __future__ import annotations

import pytest

import recommender.media.waveforms
import recommender.playlists
import recommender.stations  # noqa: F401
from catalog import retold
from tests.recommender.stored import stored_sentences

SENTENCES = stored_sentences()
NOTED_AS = {
    "7: 7; tried again at the next ingest": "7: tags not read: 7; tried again at the next ingest",
    "7 ignored: 7": "7: 7 ignored: 7",
    "the lyrics in the tags ignored: more than 7 bytes": (
        "7: the lyrics in the tags ignored: more than 7 bytes"
    ),
}
"""Sentences that are stored as part of another, with that."""


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_is_stored_can_be_told_in_another_language(sentence: str) -> None:
    place, stored = SENTENCES[sentence], NOTED_AS.get(sentence, sentence)
    if place.startswith("mer/lyrics/"):
        stored = stored.removeprefix("7: ")  # a note names the file itself
    found = [message for message, known in retold._ordered() if known.fullmatch(stored)]
    assert found, f"{place}: register a message for {stored!r} with `kept`"


def test_every_kind_of_place_is_read() -> None:
    for part in (
        *("it changed while it was read", "this folder vanished"),
        *("is damaged: only", "started 7 times", "seed songs", "cue sheets"),
    ):
        assert any(part in sentence for sentence in SENTENCES), part
