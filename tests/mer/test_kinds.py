"""Kinds of music: assignment, statistics by kind, and the distance from the training songs."""

from __future__ import annotations

import pytest
import torch

from mer.kinds import KINDS, KindStatistics
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house import kinds

WIDTH, SONGS = 24, 60
ORCHESTRA, PIANO = KINDS.index("orchestral"), KINDS.index("solo piano")


def track(kind: str) -> Track:
    dataset, genres = {"piano": ("emopia", ()), "orchestra": ("emotify", ("classical",))}[kind]
    return Track(dataset, "1", "train", AffectLabels(), genres=genres)


@pytest.fixture(scope="module")
def songs() -> dict[str, torch.Tensor]:
    """Pianos lie far from orchestras, and vary half as much."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(2, SONGS, WIDTH, generator=generator)
    return {"orchestra": draws[0] + 1, "piano": draws[1] / 2 - 4}


@pytest.fixture(scope="module")
def statistics(songs: dict[str, torch.Tensor]) -> KindStatistics:
    torch.manual_seed(0)
    statistics = KindStatistics(WIDTH, WIDTH, len(KINDS), 4)
    tracks = [track(kind) for kind in songs for _ in range(SONGS)]
    kinds.fit(statistics, torch.cat(list(songs.values())), tracks, 0)
    return statistics


def heard(statistics: KindStatistics, pooled: torch.Tensor):  # type: ignore[no-untyped-def]
    return statistics(pooled, torch.ones(len(pooled), dtype=torch.bool))


def test_a_song_is_standardised_by_its_kind(statistics, songs) -> None:  # type: ignore[no-untyped-def]
    means = []
    for kind, index in (("orchestra", ORCHESTRA), ("piano", PIANO)):
        found = heard(statistics, songs[kind])
        assert found.kinds[:, index].min() > 0.5
        torch.testing.assert_close(found.kinds.sum(dim=1), torch.ones(SONGS))
        assert found.kinds[:, KINDS.index("chiptune")].max() < 1e-6  # no such song was there
        means.append((found.features, statistics.standardised(songs[kind])))
    (orchestra, plain_orchestra), (piano, plain_piano) = means

    def apart(one: torch.Tensor, other: torch.Tensor) -> float:
        """Distance of the means, in deviations within the kinds."""
        within = (one.std(dim=0) + other.std(dim=0)) / 2
        return float(((one.mean(dim=0) - other.mean(dim=0)) / within).abs().mean())

    # 60 songs of a kind: its own statistics have three quarters of the weight.
    assert apart(orchestra, piano) < apart(plain_orchestra, plain_piano)


def test_other_songs_of_a_library_do_not_rescale_a_song(statistics, songs) -> None:  # type: ignore[no-untyped-def]
    alone = heard(statistics, songs["piano"][:1])
    low = songs["piano"][songs["piano"].mean(dim=1).argsort()[:20]]
    beside = heard(statistics, torch.cat([songs["piano"][:1], low]))
    torch.testing.assert_close(beside.features[:1], alone.features)


def test_what_is_unlike_all_training_music_keeps_the_statistics_of_all(statistics) -> None:  # type: ignore[no-untyped-def]
    strange = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(3)) * 60
    found = heard(statistics, strange)
    assert found.novelty.min() > 7.5
    plain = statistics.standardised(strange)
    mean = found.kinds @ statistics.kind_mean
    of_kind = (plain - mean) / (found.kinds @ statistics.kind_std)
    from_kind, from_all = (found.features - of_kind).abs(), (found.features - plain).abs()
    assert from_all.mean() < from_kind.mean() / 3


def test_a_column_that_never_varies_is_not_used() -> None:
    pooled = torch.randn(SONGS, WIDTH, generator=torch.Generator().manual_seed(0))
    pooled[:, 5] = 98.37
    pooled[: SONGS // 2, 5] = 98.375  # rounding of float16
    statistics = KindStatistics(WIDTH, WIDTH - 1, len(KINDS), 4)
    kinds.fit(statistics, pooled, [track("piano")] * SONGS, 0)
    assert 5 not in statistics.used.tolist()
    moved = pooled.clone()
    moved[:, 5] = 0.0
    torch.testing.assert_close(
        heard(statistics, moved).features, heard(statistics, pooled).features
    )


def test_the_deviation_of_a_single_patch_counts_as_average(statistics, songs) -> None:  # type: ignore[no-untyped-def]
    single = statistics(songs["piano"], torch.zeros(SONGS, dtype=torch.bool))
    assert single.features[:, WIDTH // 2 :].abs().max() == 0
    assert single.features[:, : WIDTH // 2].abs().max() > 0


@pytest.mark.parametrize(
    ("dataset", "genres", "kind"),
    [
        ("emopia", (), "solo piano"),
        ("emotify", ("classical",), "orchestral"),
        ("emotify", ("rock",), "band"),
        ("panda4q", ("Electronic",), "electronic"),
        ("panda4q", ("Electronic", "Pop/Rock"), "band"),
        ("panda4q", ("Classical", "Vocal"), "orchestral"),
        ("composed", ("chiptune",), "chiptune"),
        ("composed", ("game",), None),
        ("emobank", (), None),
    ],
)
def test_the_kind_follows_from_set_and_genres(dataset, genres, kind) -> None:  # type: ignore[no-untyped-def]
    known = Track(dataset, "1", "train", AffectLabels(), genres=genres)
    assert kinds.kind_of(known) == kind
