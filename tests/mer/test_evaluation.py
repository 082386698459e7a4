"""Evaluation: questions, scores, probes, calibration, folds and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer import neighbours
from mer.affect import Quadrant
from mer.datasets.base import AffectLabels, Track
from mer.evaluation import QUESTIONS, compare, measure, probe_cross_validated, scores
from mer.features import TrackFeatures
from mer.mixture import Plane
from mer.models.affetti import AffettiConfig, AffettiOutput
from mer.probes import fit_and_predict, pooled
from mer.report import NOTES, keep_notes, markdown
from mer.trainer import Recipe
from mer.validation import calibrate, cross_validate, fold_of, out_of_fold, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8, dropout=0.1)
RECIPE = Recipe(epochs=8, batch_songs=8, batch_texts=4, averaging=0.8, learning_rate=1e-2)
PLANE = Plane(
    words=((0.5, 0.2), (0.45, 0.1)),
    emobank=((0.5, 0.1), (0.5, 0.05)),
    deezer=((0.5, 0.2), (0.5, 0.2)),
)
QUADRANT, CLUSTER = QUESTIONS


def song(index: int) -> TrackFeatures:
    generator = torch.Generator().manual_seed(index)
    quadrant = tuple(Quadrant)[index % 4]
    labels = AffectLabels(
        quadrant=quadrant,
        valence=0.7 if quadrant in (Quadrant.Q1, Quadrant.Q4) else 0.3,
        arousal=0.6 if quadrant in (Quadrant.Q1, Quadrant.Q2) else 0.3,
        emotions=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    )
    audio = torch.randn(3, 6, generator=generator)
    audio[:, index % 4] += 3
    return TrackFeatures(
        Track("panda4q", str(index), "train", labels, artist_group=f"artist{index // 2}"),
        audio=audio.half(),
        context=torch.randn(2, 4, generator=generator).half(),
    )


def clustered(index: int) -> TrackFeatures:
    whole = song(index)
    labels = AffectLabels(cluster=index % 5)
    track = Track("mirex", str(index), "train", labels, artist_group=f"other{index}")
    return TrackFeatures(track, whole.audio, whole.context, whole.context)


SONGS = [song(index) for index in range(40)]


def test_a_question_is_about_the_songs_that_have_every_part() -> None:
    silent = TrackFeatures(SONGS[0].track, None, None, SONGS[0].context)
    assert QUADRANT.songs([silent, *SONGS[:3], clustered(1)]) == SONGS[:3]
    assert CLUSTER.songs([*SONGS, clustered(3)])[0].track.track_id == "3"
    assert QUADRANT.labels(SONGS[:5]).tolist() == [0, 1, 2, 3, 0]
    assert CLUSTER.labels([clustered(7)]).tolist() == [2]


def test_scores_are_means_over_networks() -> None:
    labels = np.array([0, 1, 2, 3] * 10)
    wrong = (labels + 1) % 4
    result = scores(labels, np.stack([labels, wrong], axis=1), 4)
    assert result["accuracy"]["estimate"] == pytest.approx(0.5)
    assert result["accuracy"]["each"] == [1.0, 0.0]
    assert result["macro_f1"]["estimate"] == pytest.approx(0.5)
    better = compare(labels, labels[:, None], wrong[:, None], 4)
    assert better["accuracy"]["difference"]["low"] == pytest.approx(1.0)
    assert better["accuracy"]["p_value"] < 0.01


def test_folds_keep_artists_together_and_predict_only_strangers() -> None:
    folds = cross_validate(RECIPE, CONFIG, SONGS, PLANE, folds=3)
    held = [e.track.track_id for fold in folds for e in fold.held_out]
    assert sorted(held, key=int) == [str(index) for index in range(40)]
    for number, fold in enumerate(folds):
        assert {fold_of(e.track.artist_group, 3) for e in fold.held_out} <= {number}
    output = out_of_fold(folds, SONGS[::-1])
    first = predict(folds[0].network, folds[0].held_out[:1])
    position = SONGS[::-1].index(folds[0].held_out[0])
    torch.testing.assert_close(
        output.fused_embedding[position], first.fused_embedding[0], atol=1e-5, rtol=1e-4
    )


def test_mood_words_of_a_held_out_song_are_held_out() -> None:
    words = [
        TrackFeatures(
            Track("mood_words", "w", "train", e.track.labels, artist_group=e.track.artist_group),
            lyrics=e.context,
        )
        for e in SONGS
    ]
    seen: list[int] = []

    class Spy:
        def __init__(self, recipe: Recipe, config: AffettiConfig, songs: Sequence[TrackFeatures],
                     texts: Sequence[TrackFeatures], *rest: object) -> None:  # fmt: skip
            assert {e.track.artist_group for e in songs} == {e.track.artist_group for e in texts}
            seen.append(len(texts))

        def train(self) -> None:
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mer.validation.Trainer", Spy)
        cross_validate(RECIPE, CONFIG, [*SONGS, *words], PLANE, folds=3)
    assert sum(seen) == 2 * len(SONGS)


def test_calibration_gives_the_labels_spread() -> None:
    folds = cross_validate(RECIPE, CONFIG, SONGS, PLANE, folds=3)
    config = calibrate(CONFIG, folds, PLANE)
    raw = out_of_fold(folds, SONGS).affect.logit()
    places = [PLANE.place("panda4q", song.track.labels) for song in SONGS]
    wanted = torch.tensor([place for place in places if place is not None]).logit()
    scaled = raw * torch.tensor(config.affect_scale) + torch.tensor(config.affect_shift)
    torch.testing.assert_close(scaled.mean(dim=0), wanted.mean(dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(dim=0), wanted.std(dim=0), atol=1e-3, rtol=0)
    assert config.quadrant_temperature > 0
    assert config.quadrant_temperature != 1


def test_probe_learns_what_is_linear() -> None:
    labels = QUADRANT.labels(SONGS)
    groups = [f"{song.track.artist_group}" for song in SONGS]
    features = pooled(SONGS, ("audio", "context"))
    assert features.shape == (40, 6 + 6 + 4)
    assert np.mean(fit_and_predict(features, labels, groups, features) == labels) > 0.9


def test_probes_take_songs_of_unknown_artists() -> None:
    unknown = [replace(e, track=replace(e.track, artist_group=None)) for e in SONGS[:4]]
    answers = probe_cross_validated(QUADRANT, [*unknown, *SONGS[4:]], ("audio",))
    assert answers.shape == (40, 1)
    assert np.mean(answers[:, 0] == QUADRANT.labels(SONGS)) > 0.7


def test_report_names_every_figure() -> None:
    def network(songs: Sequence[TrackFeatures], modalities: Sequence[str]) -> AffettiOutput:
        right = torch.nn.functional.one_hot(torch.from_numpy(question.labels(songs)), 5).float()
        gates = torch.tensor([[1.0, 0.0, 0.0]]).expand(len(songs), 3)
        return AffettiOutput(gates, right[:, :4] * 9, right * 9, gates, gates, gates)

    figures = {}
    for question in QUESTIONS:
        songs = question.songs([*SONGS, *(clustered(index) for index in range(40))])
        wrong = (question.labels(songs)[:, None] + 1) % question.classes
        figures[question.name] = measure(question, songs, [network], lambda _, wrong=wrong: wrong)
    text = {"warriner_valence_spearman": {"texts": 3, "estimate": 0.5, "low": 0.4, "high": 0.6}}
    labels = np.repeat(np.arange(4), 6)
    near = neighbours.measure({"fused": [np.eye(4)[labels]]}, {"MusiCNN": np.eye(24)}, labels)
    report = {"seeds": [0], "test": figures, "cross_validation": figures, "text": text}
    report["neighbours"] = near
    json.dumps(report)
    page = markdown(report)
    assert "| audio + lyrics + context | 1.000 [1.000, 1.000] |" in page
    assert ".500 [.400, .600]" in page
    assert "| (majority) | .250" in page
    assert "| fused | .500 [.500, .500] | +." in page  # five of the ten nearest can be alike
    assert "gates audio / lyrics / context 1.000 / .000 / .000" in page


def test_what_people_wrote_outlives_the_next_report() -> None:
    written = keep_notes("figures\n", "") + f"\n{NOTES}\n\nIt rained.\n"
    again = keep_notes("new figures\n", written)
    assert again == f"new figures\n\n{NOTES}\n\nIt rained.\n"
    assert keep_notes("new figures\n", again) == again
