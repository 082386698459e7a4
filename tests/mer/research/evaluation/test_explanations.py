"""Checks of explanations, on networks and songs with known results."""

from __future__ import annotations

import argparse
import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

import mer.research.evaluation.deletion
import mer.research.evaluation.explanation_checks
from mer.affect import QUADRANTS, Quadrant
from mer.batches import AffettiBatch, AffettiConfig, AffettiOutput
from mer.encoders.text import TokenStates
from mer.explain import anchored
from mer.metrics import bootstrap_ci
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import explanations
from mer.research.evaluation.deletion import (
    Deletions,
    deletion_figures,
    deletions,
    measure,
    rewritten,
)
from mer.research.evaluation.explanation_checks import (
    Modification,
    chosen,
    directions,
    gate_figures,
    measure_splices,
    modifications,
    opposite_pairs,
    splice,
    splice_figures,
    timeline,
    whole_figures,
)
from mer.research.files import NOTES
from mer.research.house.validation import FoldNetwork, out_of_fold
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG = AffettiConfig(audio_dim=2, text_dim=2, descriptor_dim=0, text_width=8, members=2)
WEIGHTS = {"grief": -4.0, "joy": 4.0, "rain": -1.0}
LYRICS = "one two\njoy\nof four\nrain\nJoy!"
POINTS = {"Q1": (1.0, 1.0), "Q2": (-1.0, 1.0), "Q3": (-1.0, -1.0), "Q4": (1.0, -1.0)}


class Words:
    """In place of the text encoder: a token a word, whose state is what the word weighs."""

    def __init__(self, limit: int = 256) -> None:
        self.limit = limit
        self.texts: list[str] = []
        self.correction: object = None

    def adapt(self, correction: object) -> Words:
        self.correction = correction
        return self

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenStates:
        self.texts += texts
        limit = min(self.limit, max_tokens)
        rows, places = [], []
        for text in texts:
            state, place, start = [[0.0, 0.0]], [[0, 0]], 0
            for word in text.split()[: limit - 1]:
                start = text.index(word, start)
                weight = WEIGHTS.get(word.strip("!").casefold(), 0.1)
                state.append([weight, -weight])
                place.append([start, start + len(word)])
                start += len(word)
            rows.append(torch.tensor(state))
            places.append(torch.tensor(place))
        pad = nn.utils.rnn.pad_sequence
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        return TokenStates(pad(rows, batch_first=True), mask, pad(places, batch_first=True))


class Mean(nn.Module):
    """In place of the network: the plane is the mean of the audio rows and of the lyrics' rows."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, batch: AffettiBatch) -> AffettiOutput:
        total = torch.zeros(len(batch.audio), 2)
        for states, mask in (
            (batch.audio, batch.audio_mask), (batch.lyrics, batch.lyrics_mask),
        ):  # fmt: skip
            kept = states * mask[..., None]
            total = total + kept.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        masks = (batch.audio_mask, batch.lyrics_mask, batch.context_mask)
        present = torch.stack([mask.any(dim=1) for mask in masks], dim=1).float()
        rest = {name: torch.zeros(len(total), 1) for name in AffettiOutput._fields}
        known = {
            "affect": 0.5 + total / 10,
            "quadrant_logits": torch.cat([total, -total], dim=1),
            "gates": present / present.sum(dim=1, keepdim=True),
        }
        return AffettiOutput(**rest | known)


def song(
    number: int, *, dataset: str = "mirex", quadrant: Quadrant | None = None, lyrics: str = LYRICS
) -> TrackFeatures:
    generator = torch.Generator().manual_seed(number)
    point = torch.tensor(POINTS[quadrant] if quadrant else (0.0, 0.0))
    labels = AffectLabels(quadrant=quadrant)
    return TrackFeatures(
        Track(dataset, str(number), "train", labels, lyrics=lyrics, artist_group=f"a{number}"),
        audio=(torch.randn(4, 2, generator=generator) / 10 + point).half(),
        lyrics=torch.randn(5, 2, generator=generator).half(),
        context=torch.randn(2, 2, generator=generator).half(),
    )


SONGS = [song(number, lyrics=LYRICS + " one" * number) for number in range(6)]
CLIPS = [
    song(number, dataset="panda4q", quadrant=QUADRANTS[number % 4]) for number in range(100, 117)
]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    few = functools.partial(bootstrap_ci, resamples=40)
    for module in (mer.research.evaluation.deletion, mer.research.evaluation.explanation_checks):
        monkeypatch.setattr(module, "bootstrap_ci", few)


def folds() -> list[FoldNetwork]:
    return [
        FoldNetwork(Mean(), tuple(SONGS[:4] + CLIPS[:9])),
        FoldNetwork(Mean(), tuple(SONGS[4:] + CLIPS[9:])),
    ]


def test_each_line_is_deleted_with_its_repetitions() -> None:
    encoder = Words()
    text = rewritten(LYRICS, encoder)
    rests = [
        "joy\nof four\nrain\nJoy!",
        "one two\nof four\nrain",
        "one two\njoy\nrain\nJoy!",
        "one two\njoy\nof four\nJoy!",
    ]
    assert [line.rest for line in text.lines] == rests
    assert encoder.texts == [LYRICS, *sorted(rests, key=len)]
    assert [len(states) for states in (text.states, *text.without)] == [8, 6, 6, 6, 7]


def test_nothing_slides_in_where_the_lyrics_are_cut() -> None:
    encoder = Words(limit=6)
    text = rewritten("a b\nc d\ne f g\nh\na b", encoder)
    assert [line.text for line in text.lines] == ["a b", "c d", "e f g"]
    assert encoder.texts[1:] == ["c d\ne", "a b\ne", "a b\nc d"]


def test_deletion_is_the_prediction_for_the_other_text() -> None:
    network, text = Mean(), rewritten(LYRICS, Words())
    found = deletions(network, text, None, None)
    # Eight tokens, the special one included; without "joy", twice, six.
    total = 2 * 4.0 - 1.0 + 0.4
    wanted = [
        total / 8 - (total - gone) / left for gone, left in ((0.2, 6), (8, 6), (0.2, 6), (-1, 7))
    ]
    assert found.deleted[:, 0] == pytest.approx(np.array(wanted) / 10, abs=1e-6)
    assert found.deleted[:, 1] == pytest.approx(-np.array(wanted) / 10, abs=1e-6)
    assert found.left_out == pytest.approx(found.deleted, abs=1e-6)  # states are independent here
    assert found.tokens.tolist() == [2, 2, 2, 1]
    assert found.turned.argmax() == 1
    assert ((found.turned >= 0) & (found.turned <= 1)).all()


def test_a_deletion_keeps_the_other_inputs() -> None:
    network, text = AffettiNetwork(CONFIG).eval(), rewritten(LYRICS, Words())
    heard = deletions(network, text, SONGS[0].audio, SONGS[0].context)
    alone = deletions(network, text, None, None)
    assert np.abs(heard.deleted - alone.deleted).max() > 1e-6
    assert heard.left_out == pytest.approx(heard.deleted, abs=1e-6)


def made(said: list[float], true: list[float], tokens: list[int]) -> Deletions:
    planes = [
        np.stack([np.array(values), np.zeros(len(values))], axis=1) for values in (said, true)
    ]
    return Deletions(*planes, turned=np.abs(true), tokens=np.array(tokens))


def test_deletion_figures_are_paired_by_song(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mer.research.evaluation.deletion, "SHORTLIST", 1)
    figures = deletion_figures(
        [
            made([0.1, -0.4, 0.2], [0.1, -0.3, 0.2], [9, 3, 2]),  # named and truly the first
            made([0.3, 0.1], [0.1, 0.2], [1, 5]),  # named, and truly the last
        ]
    )
    wanted = {
        "named": (0.3 + 0.1) / 2,
        "random": (0.15 + 0.2) / 2,
        "longest": (0.1 + 0.2) / 2,
        "named_less_random": (0.15 - 0.1) / 2,
        "named_less_longest": (0.2 - 0.1) / 2,
        "more_than_random": 0.5,
        "first": 0.5,
        "first_unchecked": 0.5,
        "first_longest": 0.5,
        "chance": (1 / 3 + 1 / 2) / 2,
        "rank_agreement": 1.0,
    }
    assert {name: figures[name]["estimate"] for name in wanted} == pytest.approx(wanted)
    assert figures["songs"] == 2
    assert figures["lines"] == 2.5


def test_the_line_is_named_that_moves_most_of_the_shortlist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mer.research.evaluation.deletion, "SHORTLIST", 2)
    found = deletion_figures([made([0.1, -0.4, 0.2], [0.9, -0.2, 0.3], [9, 3, 2])])
    wanted = {"named": 0.3, "random": 0.55, "first": 0.0, "first_unchecked": 0.0}
    assert {name: found[name]["estimate"] for name in wanted} == pytest.approx(wanted)
    found = deletion_figures([made([0.1, -0.4, 0.2], [0.1, -0.2, 0.3], [9, 3, 2])])
    assert found["first"]["estimate"] == 1
    assert found["first_unchecked"]["estimate"] == 0


def test_naming_beats_chance_where_lines_weigh_by_their_words() -> None:
    line = "one two three\ngrief\nfour five\nsix seven"
    heard = [(Mean(), song(number, lyrics=line + " eight" * number)) for number in range(3)]
    for figures in measure(heard, Words()).values():
        assert figures["songs"] == 3
        assert figures["first"]["estimate"] == 1
        assert figures["named_less_random"]["low"] > 0
        assert figures["named_less_longest"]["low"] > 0


def test_songs_of_one_line_are_left_out() -> None:
    heard = [(Mean(), each) for each in (*SONGS[:2], song(9, lyrics="joy\njoy"))]
    assert {figures["songs"] for figures in measure(heard, Words()).values()} == {2}


def test_disturbances_change_what_they_name_alone() -> None:
    noisy = [replace(each, audio=-each.audio) for each in SONGS]
    found = modifications(SONGS, noisy)
    strange = found["another song's lyrics"].songs
    for index, (before, after) in enumerate(zip(SONGS, strange, strict=True)):
        assert after.lyrics is SONGS[(index + 1) % len(SONGS)].lyrics
        assert (after.track, after.audio) == (before.track, before.audio)
    assert all(each.lyrics is None for each in found["no lyrics"].songs)
    assert all(each.audio is None for each in found["no audio"].songs)
    assert found["white noise at 0 dB"].songs is noisy


def gates(values: Sequence[Sequence[float]]) -> AffettiOutput:
    rest = dict.fromkeys(AffettiOutput._fields, torch.zeros(len(values), 1))
    return AffettiOutput(**rest | {"gates": torch.tensor(values)})


def test_gates_are_compared_song_by_song() -> None:
    known = {
        0: gates([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]),
        1: gates([[0.75, 0.0, 0.25], [0.25, 0.75, 0.0]]),
    }
    figures = gate_figures(
        lambda rows: known[int(rows[0].track.track_id)],
        SONGS[:1],
        {
            "lies": Modification(SONGS[1:2], "lyrics"),
            "none": Modification(SONGS[1:2], "lyrics", must_be_zero=True),
        },
    )
    assert figures["before"]["lyrics"] == pytest.approx(0.375)
    assert figures["lies"]["change"]["estimate"] == pytest.approx(0.0)
    assert figures["lies"]["expected"]["estimate"] == 0.5
    assert figures["lies"]["holds"] is None
    assert figures["none"]["holds"] is False


def test_a_missing_modality_has_no_weight_in_the_house_network() -> None:
    network = AffettiNetwork(CONFIG).eval()
    one = [FoldNetwork(network, tuple(SONGS))]
    found = gate_figures(lambda rows: out_of_fold(one, rows), SONGS, modifications(SONGS, SONGS))
    assert found["no lyrics"]["holds"] is True
    assert found["no audio"]["holds"] is True
    assert found["white noise at 0 dB"]["change"]["estimate"] == pytest.approx(0)


def test_the_timeline_is_that_of_the_pipeline() -> None:
    clip = replace(CLIPS[0], lyrics=None)
    points = timeline(Mean(), clip)
    audio = clip.audio.double()
    parts = [audio, audio[:2], audio[:3], audio[1:], audio[2:]]
    whole, *heard = [0.5 + part.mean(dim=0) / 10 for part in parts]
    assert points == pytest.approx(anchored(torch.stack(heard), whole).numpy())
    assert timeline(Mean(), replace(clip, audio=None)).shape == (0, 2)


def test_the_mean_of_the_timeline_is_held_to_the_whole() -> None:
    even = [replace(each, audio=each.audio[:1].repeat(4, 1), lyrics=None) for each in CLIPS]
    figures = whole_figures([(Mean(), each) for each in even])
    for axis in ("valence", "arousal"):
        assert figures[axis]["distance"]["estimate"] == pytest.approx(0, abs=1e-6)
        assert figures[axis]["correlation"]["estimate"] == pytest.approx(1)
        assert figures[axis]["within"] == pytest.approx(0, abs=1e-6)
        assert figures[axis]["anchored"] < 1e-7
        assert figures[axis]["between"] > 0.05


def test_the_timeline_is_held_to_the_whole_before_and_after_it_is_anchored() -> None:
    # The ends of a song are in two passages, the rest in three.
    uneven = torch.tensor([[4.0, -4.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]).half()
    clips = [replace(each, audio=each.audio + uneven, lyrics=None) for each in CLIPS]
    figures = whole_figures([(Mean(), each) for each in clips])
    for axis, side in (("valence", 1), ("arousal", -1)):
        # The first patch weighs (1/2 + 1/3) / 4 in the mean of passages, 1/4 in the song.
        assert figures[axis]["bias"]["estimate"] == pytest.approx(-side * 0.4 / 24, abs=0.01)
        assert figures[axis]["distance"]["estimate"] > 0.01
        assert figures[axis]["anchored"] < 1e-7


def test_opposite_quadrants_are_paired() -> None:
    quadrants = [
        tuple(each.track.labels.quadrant for each in pair) for pair in opposite_pairs(CLIPS)
    ]
    assert quadrants == [("Q1", "Q3")] * 4 + [("Q2", "Q4")] * 4


def test_directions_are_those_of_the_plane() -> None:
    assert directions(Quadrant.Q1, Quadrant.Q3).tolist() == [1, 1]
    assert directions(Quadrant.Q2, Quadrant.Q4).tolist() == [-1, 1]
    assert directions(Quadrant.Q4, Quadrant.Q2).tolist() == [1, -1]


def test_a_splice_moves_the_timeline_to_its_side_in_both_orders() -> None:
    for first, second in opposite_pairs(CLIPS):
        found = splice(Mean(), first, second)
        assert (found.apart > 0.1).all()
        assert (found.spliced > 0.1).all()
        assert (found.spliced < found.apart).all()  # the seam is heard from both sides
        assert (found.unspliced < 0.05).all()


def test_splices_of_all_folds_are_averaged() -> None:
    figures = measure_splices(folds())
    assert list(figures) == ["Q1 and Q3", "Q2 and Q4"]
    for each in figures.values():
        assert each["pairs"] == 4
        for axis in ("valence", "arousal"):
            assert each[axis]["right_apart"]["estimate"] == 1
            assert each[axis]["right_spliced"]["estimate"] == 1
            assert each[axis]["kept"]["estimate"] == 1
            assert 0.5 < each[axis]["left"] < 1


def test_a_splice_on_the_wrong_side_counts_as_wrong() -> None:
    backwards = [splice(Mean(), *pair) for pair in opposite_pairs(CLIPS)]
    backwards = [replace(each, apart=-each.apart, spliced=-each.spliced) for each in backwards]
    figures = splice_figures(backwards)
    assert figures["valence"]["right_spliced"]["estimate"] == 0
    assert figures["valence"]["kept"]["estimate"] == 1
    assert figures["arousal"]["difference_spliced"]["high"] < 0


@pytest.mark.parametrize(("count", "songs"), [(4, 4), (0, 6)])
def test_the_number_of_songs_is_limited(count: int, songs: int) -> None:
    figures = explanations.measure(folds(), Words(), list, count)
    assert figures["timeline"]["songs"] == figures["gates"]["songs"] == songs


def test_songs_are_chosen_by_hash_and_fold() -> None:
    first, second = chosen(folds(), "mirex", "lyrics")
    assert {each.track.track_id for each in first} == {"0", "1", "2", "3"}
    assert {each.track.track_id for each in second} == {"4", "5"}
    shuffled = FoldNetwork(Mean(), tuple(reversed(SONGS[:4])))
    assert chosen([shuffled], "mirex", "lyrics") == [first]


def test_the_report_is_written_and_keeps_its_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Words()

    class Cache:
        def __init__(self, *_: object, adapter: object, **__: object) -> None:
            assert adapter is material.adapter

        def features(self, tracks: Sequence[Track], distortion: object) -> list[TrackFeatures]:
            assert distortion is explanations.NOISE
            return [each for track in tracks for each in SONGS if each.track == track]

    material = argparse.Namespace(adapter={"layer": None})
    monkeypatch.setattr(explanations, "held_out_folds", lambda _: (material, folds()))
    monkeypatch.setattr(explanations, "FeatureCache", Cache)
    monkeypatch.setattr(explanations.TextEncoder, "from_pretrained", lambda _: encoder)
    (tmp_path / "explanations.md").write_text(f"# Old\n\n{NOTES}\n\nSeen by hand.\n")
    arguments = argparse.Namespace(
        data=tmp_path, cache=tmp_path, work=tmp_path, out=tmp_path, songs=5, threads=0,
        command_line="python -m mer.research explanations",
    )  # fmt: skip
    assert explanations.run(arguments) == 0
    page = (tmp_path / "explanations.md").read_text()
    assert "# Old" not in page
    assert page.endswith("Seen by hand.\n")
    assert "Gates of 5 songs" in page
    assert "| Q2 and Q4 (4 pairs) | arousal | 1.000 [1.000, 1.000] |" in page
    assert page.count("\n## ") == 5
    assert encoder.texts[0].startswith(LYRICS)
    assert encoder.correction is material.adapter
