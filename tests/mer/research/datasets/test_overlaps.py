"""Guards against testing on training songs, and ceilings from the noise of raters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from mer.errors import DatasetError, InputError
from mer.research.datasets import (
    deam,
    deezer_va,
    emomusic,
    gems_lyrics,
    mirex,
    panda4q,
    pmemo,
)
from mer.research.datasets.base import AffectLabels, Track
from mer.research.datasets.ceilings import ceilings, noise_ceiling
from mer.research.datasets.overlaps import check_transfer, shared_songs
from tests.places import DATA

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the research data sets are not here")


def track(dataset, track_id, **more):
    return Track(dataset, track_id, "train", AffectLabels(), **more)


@pytest.fixture
def overlaps(tmp_path):
    path = tmp_path / "song_overlaps.csv"
    path.write_text(
        "artist_key,title_key,ds_a,id_a,ds_b,id_b\n"
        "ada,one,mirex,001,gemslyrics,7\n"
        "bo,two,mirex,002,deezer,train\n"
        "cy,three,moody,,pmemo,9\n"
    )
    return path


TWINS = [
    (track("deam", "5"), track("deam", "5")),
    (track("deam", "5"), track("emomusic", "5")),
    (track("msdd", "TR1"), track("deezer_va", "TR1")),
    (track("a", "1", artist="The Jam", title="In the City"),
     track("b", "2", artist="Jam, The", title="In The City (Live)")),
    (track("a", "1", lyrics="La  la\nla"), track("b", "2", lyrics="la la LA")),
]  # fmt: skip
STRANGERS = [
    (track("deam", "1500"), track("emomusic", "5")),
    (track("pmemo", "5"), track("emomusic", "5")),
    (track("a", "1", title="Song"), track("b", "2", title="Song")),
    (track("a", "1", artist="Ada", title="One"), track("b", "2", artist="Ada", title="Two")),
    (track("a", "1"), track("b", "2")),
]


@pytest.mark.parametrize(("one", "other"), [*TWINS, *((b, a) for a, b in TWINS)])
def test_one_song_in_both_is_refused_and_named(one, other):
    kept = track("z", "26")
    assert shared_songs([kept, one], [other]) == [one]
    named = rf"1 of 2 training tracks.*{one.track_id} of {one.dataset}; remove what shared_songs"
    with pytest.raises(DatasetError, match=named):
        check_transfer([kept, one], [other])
    check_transfer([kept], [other])


@pytest.mark.parametrize(("one", "other"), STRANGERS)
def test_other_songs_pass(one, other):
    check_transfer([one], [other])
    assert shared_songs([one], [other]) == []


def test_listed_pairs_are_one_song(overlaps):
    listed = [track("mirex", "001"), track("mirex", "002"), track("mirex", "003")]
    test = [
        track("gems_lyrics", "7"),
        track("deezer_va", "TR2", artist="Bo", title="Two"),
        track("moodylyrics", "ML3", artist="Cy", title="Three"),
    ]
    check_transfer(listed, test)
    with pytest.raises(DatasetError, match="2 of 3 training tracks"):
        check_transfer(listed, test, overlaps=overlaps)
    assert shared_songs(listed, test, overlaps=overlaps) == listed[:2]
    pmemo_song = track("pmemo", "9")
    assert shared_songs([pmemo_song], test, overlaps=overlaps) == [pmemo_song]


def test_a_bad_list_of_overlaps_is_named(overlaps):
    overlaps.write_text(overlaps.read_text().replace("artist_key", "artist"))
    with pytest.raises(DatasetError, match="'artist_key'"):
        check_transfer([], [], overlaps=overlaps)


@pytest.mark.parametrize("raters", [5, 20])
@pytest.mark.parametrize("divided_by_n", [False, True])
def test_the_ceiling_is_what_the_true_means_score(raters, divided_by_n):
    rng = np.random.default_rng(7)
    truth = rng.normal(5.0, 1.0, size=4000)
    spread = rng.uniform(0.5, 2.5, size=4000)  # raters agree on some songs more than on others
    ratings = truth[:, None] + spread[:, None] * rng.normal(size=(4000, raters))
    means, deviations = ratings.mean(1), ratings.std(1, ddof=0 if divided_by_n else 1)
    ceiling = noise_ceiling(means, deviations, raters, divided_by_n=divided_by_n)
    ccc = 2 * np.cov(truth, means, ddof=0)[0, 1] / (
        truth.var() + means.var() + (truth.mean() - means.mean()) ** 2
    )  # fmt: skip
    assert ceiling.r2 == pytest.approx(r2_score(means, truth), abs=0.015)
    assert ceiling.ccc == pytest.approx(ccc, abs=0.015)


def test_songs_may_have_different_numbers_of_raters():
    few = noise_ceiling([0.0, 1.0], [0.4, 0.4], [2, 2])
    mixed = noise_ceiling([0.0, 1.0], [0.4, 0.4], [2, 200])
    assert few.r2 == pytest.approx(1 - 0.08 / 0.25)
    assert mixed.r2 == pytest.approx(1 - (0.08 + 0.0008) / 2 / 0.25)
    assert noise_ceiling([0.0, 1.0], [9.0, 9.0], 2).r2 == 0


@pytest.mark.parametrize(
    ("means", "deviations", "raters"),
    [
        ([1.0], [1.0], 5),
        ([1.0, 2.0], [1.0], 5),
        ([1.0, 2.0], [1.0, 1.0], 0),
        ([1.0, 2.0], [1.0, 1.0], [5, 5, 5]),
        ([1.0, 1.0], [1.0, 1.0], 5),
        ([1.0, float("nan")], [1.0, 1.0], 5),
    ],
)
def test_ceilings_of_bad_input_are_refused(means, deviations, raters):
    with pytest.raises(InputError):
        noise_ceiling(means, deviations, raters)


def test_ceilings_of_tracks_need_spread_and_raters():
    def rated(valence, raters):
        labels = AffectLabels(
            valence=valence, arousal=valence, valence_sd=0.1, arousal_sd=0.2, raters=raters
        )
        return Track("x", str(valence), "train", labels)

    unrated = track("x", "bare")
    valence, arousal = ceilings([rated(0.2, 4), rated(0.8, 4), unrated])
    assert valence.r2 == pytest.approx(1 - 0.01 / 4 / 0.09)
    assert arousal.r2 == pytest.approx(1 - 0.04 / 4 / 0.09)
    with pytest.raises(InputError, match="fewer than two"):
        ceilings([rated(0.2, 4), unrated])
    with pytest.raises(InputError, match="give raters"):
        ceilings([rated(0.2, None), rated(0.8, 4)])
    assert ceilings([rated(0.2, None), rated(0.8, None)], raters=4) == (valence, arousal)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(
    ("module", "raters", "expected"),
    [
        (deam, 5, (0.65, 0.72)),
        (deam, 10, (0.83, 0.86)),
        (emomusic, 5, (0.66, 0.69)),
        (emomusic, 10, (0.83, 0.85)),
    ],
)
def test_ceilings_of_the_real_tables(module, raters, expected):
    valence, arousal = ceilings(module.load(DATA), raters=raters)
    assert (valence.r2, arousal.r2) == pytest.approx(expected, abs=0.02)


def whole_ratings(labels, raters, *, divided_by_n):
    """Whether the valence can be the mean of so many whole ratings on nine points."""
    total = 8 * labels.valence * raters
    squares = (8 * labels.valence_sd) ** 2 * (raters - (not divided_by_n)) + total**2 / raters
    # DEAM's deviations have two decimals, which leaves the sum of squares this loose.
    slack = 0.006 * 16 * labels.valence_sd * raters + 0.01
    odd = round(total) % 2
    nearest = 2 * round((squares - odd) / 2) + odd  # a square is odd when its root is
    return abs(total - round(total)) < 1e-6 and abs(squares - nearest) < slack


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(("module", "share"), [(deam, 0.97), (emomusic, 0.97), (pmemo, 0.96)])
def test_means_and_deviations_determine_the_number_of_raters(module, share):
    rated = [song.labels for song in module.load(DATA)]

    def fits(more, divided_by_n):
        return np.mean(
            [whole_ratings(a, a.raters + more, divided_by_n=divided_by_n) for a in rated]
        )

    assert fits(0, module.DIVIDED_BY_N) > share
    # Neither another number of raters nor the other divisor explains the tables.
    assert max(fits(0, not module.DIVIDED_BY_N), fits(-1, False), fits(1, True)) < 0.5


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(
    ("module", "expected"),
    [(deam, (0.80, 0.84)), (emomusic, (0.83, 0.85)), (pmemo, (0.88, 0.92))],
)
def test_ceilings_with_the_inferred_number_of_raters(module, expected):
    # With PMEmo's deviations on nine points its ceilings would be above 0.99.
    valence, arousal = ceilings(module.load(DATA), divided_by_n=module.DIVIDED_BY_N)
    assert (valence.r2, arousal.r2) == pytest.approx(expected, abs=0.01)


@needs_data
@pytest.mark.data
def test_training_on_deam_and_testing_on_emomusic_is_refused():
    train, test = deam.load(DATA), emomusic.load(DATA)
    with pytest.raises(DatasetError, match="744 of 1802"):
        check_transfer(train, test)
    shared = {song.track_id for song in shared_songs(train, test)}
    rest = [song for song in train if song.track_id not in shared]
    assert len(rest) == 1058
    assert min(int(song.track_id) for song in rest) == 1001
    check_transfer(rest, test)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        (mirex, deezer_va, 119),
        (mirex, gems_lyrics, 22),
        (panda4q, deezer_va, 17),
        (deezer_va, gems_lyrics, 157),
        (mirex, panda4q, 1),
    ],
)
def test_names_alone_find_every_listed_overlap(one, other, least):
    lost = len(shared_songs(one.load(DATA), other.load(DATA)))
    assert least <= lost <= 1.1 * least + 1
