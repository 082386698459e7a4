from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import PlaylistRequestError
from recommender.playlists.edits import MAX_EDITS, MAX_ENTRIES, Edit, edited, edits_of_words


@dataclass(frozen=True)
class Row:
    song_id: int


def after(song_ids: list[int], *words: str, hidden: frozenset[int] = frozenset()) -> list[int]:
    rows = edited([Row(pk) for pk in song_ids], edits_of_words(words), made=Row, hidden=hidden)
    return [row.song_id for row in rows]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["move.3.0"], [3, 1, 2]),
        (["move.1.1"], [2, 1, 3]),
        (["move.1"], [2, 3, 1]),
        (["move.1.99"], [2, 3, 1]),
        (["remove.2"], [1, 3]),
        (["add.9"], [1, 2, 3, 9]),
        (["add.9.1"], [1, 9, 2, 3]),
        (["add.2"], [1, 2, 3]),
        (["remove.9", "move.9.0"], [1, 2, 3]),
        (["remove.2", "add.2.0", "move.1.2"], [2, 3, 1]),
    ],
)
def test_changes(words: list[str], expected: list[int]) -> None:
    assert after([1, 2, 3], *words) == expected


def test_hidden_songs_stay_and_do_not_count() -> None:
    hidden = frozenset({2})
    assert after([1, 2, 3, 4], "move.4.1", hidden=hidden) == [1, 2, 4, 3]
    assert after([1, 2, 3, 4], "move.1.1", hidden=hidden) == [2, 3, 1, 4]
    assert after([2, 1, 3], "add.9.0", hidden=hidden) == [2, 9, 1, 3]


@given(
    st.lists(st.integers(1, 9), unique=True),
    st.lists(
        st.builds(
            Edit,
            st.sampled_from(["move", "remove", "add"]),
            st.integers(1, 12),
            st.none() | st.integers(0, 12),
        ),
        max_size=8,
    ),
)
def test_no_song_comes_twice_and_words_say_all(song_ids: list[int], edits: list[Edit]) -> None:
    assert list(edits_of_words([edit.word for edit in edits])) == edits
    changed = after(song_ids, *(edit.word for edit in edits))
    assert len(set(changed)) == len(changed)
    removed = {edit.song_id for edit in edits if edit.kind == "remove"}
    assert set(song_ids) - removed <= set(changed)


@pytest.mark.parametrize(
    "word",
    ["", "move", "move.x", "move.-1.0", "shuffle.1", "move.1.2.3", "add.9" + "9" * 19],
)
def test_what_is_no_change(word: str) -> None:
    with pytest.raises(PlaylistRequestError, match="edit must be like") as caught:
        edits_of_words([word])
    assert caught.value.details == {"field": "edit"}


def test_limits() -> None:
    with pytest.raises(PlaylistRequestError, match="more than"):
        edits_of_words(["remove.1"] * (MAX_EDITS + 1))
    with pytest.raises(PlaylistRequestError, match="more than"):
        after(list(range(1, MAX_ENTRIES + 1)), "add.9999")
