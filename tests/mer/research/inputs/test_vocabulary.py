"""Words for TF-IDF and Word2Vec: cleaning, weights as printed, fit on the given songs only."""

from __future__ import annotations

import builtins
import importlib
import math
from typing import TYPE_CHECKING

import pytest
import torch

from mer.errors import PackageMissingError
from mer.research.inputs.vocabulary import (
    TermProjection,
    WordTable,
    clean_words,
    fit_idf,
    fit_word2vec,
)

if TYPE_CHECKING:
    from types import ModuleType

LOVE = ("love", "night")
SONGS = (LOVE, LOVE, LOVE, LOVE, ("love", "night", "night", "rain"), ("love", "rain"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dancing, in the RAIN!", ("dancing", "rain")),
        ("2 broken hearts\n& 99 balloons", ("broken", "heart", "balloon")),
        ("I don't, you won\u2019t", ("dont", "wont")),
        ("she's here, we're gone; baby's crying", ("gone", "baby", "crying")),
        ("cities kisses glass bus yes", ("city", "kisse", "glass", "bus", "yes")),
        ("na_na o-oh", ("na", "na", "oh")),
        ("Über Sehnsüchte", ("über", "sehnsüchte")),
        ("the of and 42 ...", ()),
        ("", ()),
    ],
)
def test_words_are_cleaned(text: str, words: tuple[str, ...]) -> None:
    assert clean_words(text) == words


def test_idf_is_as_printed() -> None:
    words, idf = fit_idf(SONGS, min_df=2)
    assert words == ("love", "night", "rain")
    # N = 6: love is in all songs, night in five, rain in two.
    expected = torch.tensor([math.log(6 / 7), 0.0, math.log(6 / 3)])
    torch.testing.assert_close(idf, expected)


def test_a_word_needs_five_songs_not_five_mentions() -> None:
    assert fit_idf([*SONGS, ("sun",) * 9])[0] == ("love", "night")


def test_the_vocabulary_is_capped_at_the_most_frequent_words() -> None:
    assert fit_idf(SONGS, min_df=1, max_words=2)[0] == ("love", "night")
    assert fit_idf([("b", "a", "c")], min_df=1, max_words=2)[0] == ("a", "b")


def test_tf_is_the_share_of_all_the_songs_words() -> None:
    words, idf = fit_idf(SONGS, min_df=2)
    table = WordTable(words, idf, torch.zeros(3, 0))
    weights = table.tf_idf([("rain", "rain", "unheard", "love"), ("unheard",), ()])
    expected = torch.tensor([[math.log(6 / 7) / 4, 0.0, math.log(2) / 2], [0.0] * 3, [0.0] * 3])
    torch.testing.assert_close(weights, expected)


def test_an_empty_vocabulary_gives_zeros() -> None:
    table = WordTable.fit((), width=4, seed=0)
    assert len(table) == 0
    assert torch.equal(table.tf_idf([("love",)]), torch.zeros(1, 1))
    states, mask = table.look_up([("love",)])
    assert states.shape == (1, 1, 4)
    assert not mask.any()


def test_word2vec_depends_on_the_seed() -> None:
    words, _ = fit_idf(SONGS, min_df=2)
    one, same, another = (fit_word2vec(SONGS, words, 8, seed) for seed in (3, 3, 4))
    assert one.shape == (3, 8)
    assert one.dtype == torch.float32
    assert torch.equal(one, same)
    assert not torch.allclose(one, another)


def test_word2vec_learns_which_words_go_together() -> None:
    sunny, rainy = ("sun", "beach", "smile"), ("rain", "tear", "grave")
    songs = [tuple(group[i % 3] for i in range(12)) for group in (sunny, rainy) for _ in range(60)]
    vectors = torch.nn.functional.normalize(fit_word2vec(songs, (*sunny, *rainy), 16, 0), dim=1)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 3] + 0.1
    assert likeness[3, 4] > likeness[3, 1] + 0.1


def test_words_outside_the_vocabulary_are_not_embedded() -> None:
    table = WordTable.fit(SONGS, width=8, seed=0)
    assert table.words == ("love", "night")
    states, mask = table.look_up([("night", "unheard", "love", "night"), ("love",), ("unheard",)])
    assert mask.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert torch.equal(states[0], table.vectors[[1, 0, 1]])
    assert torch.equal(states[~mask], torch.zeros(5, 8))


def test_an_empty_table_loads_a_fitted_one() -> None:
    fitted = WordTable.fit((("über", "ich"),) * 5 + SONGS, width=8, seed=0)
    blank = WordTable.fit((), width=8, seed=1)
    blank.load_state_dict(fitted.state_dict())
    assert blank.words == fitted.words
    assert "über" in blank.words
    songs = (("love", "über"),)
    assert torch.equal(blank.tf_idf(songs), fitted.tf_idf(songs))
    assert torch.equal(blank.look_up(songs)[0], fitted.look_up(songs)[0])


def test_a_projection_takes_the_width_it_loads_and_else_keeps_its_parameter() -> None:
    wide, narrow, equal = TermProjection(7, 3), TermProjection(1, 3), TermProjection(7, 3)
    before = equal.weight
    equal.load_state_dict(wide.state_dict())
    narrow.load_state_dict(wide.state_dict())
    assert equal.weight is before
    assert narrow.in_features == 7
    terms = torch.randn(2, 7)
    assert torch.equal(narrow(terms), wide(terms))


def test_without_gensim_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> ModuleType:
        if name.startswith("gensim"):
            raise builtins.ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr("mer.research.packages.importlib.import_module", absent)
    with pytest.raises(PackageMissingError, match=r"gensim, which .* '\.\[research\]'"):
        fit_word2vec(SONGS, ("love",), 8, 0)
    assert WordTable.fit(SONGS, width=0, seed=0).words == ("love", "night")
