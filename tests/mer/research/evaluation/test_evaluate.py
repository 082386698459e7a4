"""Evaluation: tasks, scores, probes, calibration, folds and the report."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.affect import Quadrant
from mer.batches import AffettiConfig, AffettiOutput
from mer.network import AffettiNetwork
from mer.research import cli
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import evaluate as evaluation
from mer.research.evaluation.evaluate import calibrated_folds, measure, probe_cross_validated
from mer.research.evaluation.probes import fit_and_predict, pooled
from mer.research.evaluation.report import markdown
from mer.research.evaluation.tasks import TASKS, compare, predict_task, scores
from mer.research.files import write_json
from mer.research.house.calibration import calibrate
from mer.research.house.mixture import Plane
from mer.research.house.trainer import Recipe
from mer.research.house.training import Material
from mer.research.house.validation import (
    FOLDS,
    FoldNetwork,
    cross_validate,
    fold_of,
    is_song,
    out_of_fold,
    predict,
    recalibrated,
)
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.evaluation.tasks import Task

CONFIG = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8, dropout=0.1)
RECIPE = Recipe(epochs=8, batch_songs=8, batch_texts=4, averaging=0.8, learning_rate=1e-2)
PLANE = Plane(
    words=((0.5, 0.2), (0.45, 0.1)),
    emobank=((0.5, 0.1), (0.5, 0.05)),
    deezer=((0.5, 0.2), (0.5, 0.2)),
)
QUADRANT, CLUSTER = TASKS


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
    some = cross_validate(replace(RECIPE, epochs=1), CONFIG, SONGS, PLANE, folds=3, first=2)
    assert [fold.held_out for fold in some] == [fold.held_out for fold in folds[:2]]
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
        patch.setattr("mer.research.house.validation.Trainer", Spy)
        cross_validate(RECIPE, CONFIG, [*SONGS, *words], PLANE, folds=3)
    assert sum(seen) == 2 * len(SONGS)


def with_context_of(config: AffettiConfig, fold: FoldNetwork) -> FoldNetwork:
    """Return a fold without calibration, but for the weight of the context."""
    only = replace(CONFIG, context_shift=config.context_shift)
    return replace(fold, network=recalibrated(fold.network, only))


def test_calibration_gives_the_labels_spread() -> None:
    folds = cross_validate(RECIPE, CONFIG, SONGS, PLANE, folds=3)
    config = calibrate(CONFIG, folds, PLANE)
    shifted = [with_context_of(config, fold) for fold in folds]
    raw = out_of_fold(shifted, SONGS).affect.logit()
    places = [PLANE.place("panda4q", song.track.labels) for song in SONGS]
    wanted = torch.tensor([place for place in places if place is not None]).logit()
    scaled = raw * torch.tensor(config.affect_scale) + torch.tensor(config.affect_shift)
    torch.testing.assert_close(scaled.mean(dim=0), wanted.mean(dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(dim=0), wanted.std(dim=0), atol=1e-3, rtol=0)
    assert len(set(config.quadrant_temperatures) - {1.0}) > 1  # who is told less is less sure


def test_probe_learns_what_is_linear() -> None:
    labels = QUADRANT.labels(SONGS)
    groups = [f"{song.track.artist_group}" for song in SONGS]
    features = pooled(SONGS, ("audio", "context"))
    assert features.shape == (40, 6 + 6 + 4)
    assert np.mean(fit_and_predict(features, labels, groups, features) == labels) > 0.9


def said_by_nobody(songs: Sequence[TrackFeatures], modalities: Sequence[str]) -> AffettiOutput:
    return AffettiOutput(**{name: torch.ones(len(songs), 5) for name in AffettiOutput._fields})


def test_probes_take_songs_of_unknown_artists() -> None:
    unknown = [replace(e, track=replace(e.track, artist_group=None)) for e in SONGS[:4]]
    predictions = predict_task(QUADRANT, [*unknown, *SONGS[4:]], [said_by_nobody])
    answers = probe_cross_validated(predictions, ("audio",))
    assert answers.shape == (40, 1)
    assert np.mean(answers[:, 0] == QUADRANT.labels(SONGS)) > 0.7


@pytest.mark.usefixtures("few_draws")
def test_networks_are_set_beside_probes_and_the_majority() -> None:
    def network(songs: Sequence[TrackFeatures], modalities: Sequence[str]) -> AffettiOutput:
        right = torch.nn.functional.one_hot(torch.from_numpy(task.labels(songs)), 5).float()
        gates = torch.tensor([[1.0, 0.0, 0.0]]).expand(len(songs), 3)
        return said_by_nobody(songs, modalities)._replace(
            quadrant_logits=right[:, :4] * 9, cluster_logits=right * 9, gates=gates
        )

    for task in TASKS:
        examples = [*SONGS, *(clustered(index) for index in range(40))]
        predictions = predict_task(task, examples, [network])
        wrong = (predictions.labels[:, None] + 1) % task.classes
        figures = measure(predictions, lambda _, wrong=wrong: wrong)
        assert figures["network"]["audio"]["accuracy"]["estimate"] == 1
        assert figures["network"]["audio"]["gates"] == [1, 0, 0]
        assert figures["probe"][task.all_inputs]["macro_f1"]["estimate"] == 0
        assert figures["majority"]["accuracy"]["estimate"] == 1 / task.classes
        assert figures["network_against_probe"]["audio"]["accuracy"]["difference"]["low"] == 1
        assert figures["all_against_audio"]["macro_f1"]["difference"]["estimate"] == 0


def test_a_fold_is_calibrated_on_the_others() -> None:
    folds = cross_validate(RECIPE, CONFIG, SONGS, PLANE, folds=3)
    others = calibrate(CONFIG, folds[1:], PLANE)
    first = calibrated_folds(CONFIG, folds, PLANE)[0]
    assert first.network.config == others != calibrate(CONFIG, folds, PLANE)
    assert first.held_out == folds[0].held_out
    shifted = with_context_of(others, folds[0])
    raw, calibrated = (predict(n, SONGS[:3]) for n in (shifted.network, first.network))
    torch.testing.assert_close(
        calibrated.quadrant_logits * others.quadrant_temperatures[5], raw.quadrant_logits
    )


def rated(dataset: str, index: int) -> TrackFeatures:
    labels = AffectLabels(valence=index / 10, arousal=(index * 7 % 10) / 10)
    track = Track(dataset, f"text{index}", "test", labels)
    states = torch.randn(2, 4, generator=torch.Generator().manual_seed(index)).half()
    return TrackFeatures(track, lyrics=states)


def in_split(example: TrackFeatures, split: str, prefix: str) -> TrackFeatures:
    track = example.track
    name, group = f"{prefix}{track.track_id}", f"{prefix}{track.artist_group}"
    return replace(example, track=replace(track, split=split, track_id=name, artist_group=group))


def material() -> Material:
    """Songs of both sets, in every split that counts, and texts that are rated."""
    words = [rated(name, index) for name in ("warriner", "emobank") for index in range(6)]
    songs = [*SONGS, *(clustered(index) for index in range(40))]
    tests = [in_split(e, "test", "t") for e in (*SONGS[:16], *map(clustered, range(15)))]
    return Material((*songs, *tests, *words), PLANE, {})


def keep_rival(folder: Path, name: str, task: Task, examples: Material) -> None:
    songs = task.songs([e for e in examples.examples if e.track.split == "test"])[::-1]
    labels = task.labels(songs)
    said = np.eye(task.classes)[np.stack([labels, (labels + 1) % task.classes])]
    ids = [song.track.track_id for song in songs]
    kept = {"songs": ids, "labels": labels.tolist(), "probabilities": said.tolist()}
    (folder / f"{task.dataset}-{name}.json").write_text(json.dumps(kept))


def untrained(seed: int) -> AffettiNetwork:
    torch.manual_seed(seed)
    return AffettiNetwork(CONFIG).eval()


def guess(
    features: NDArray[np.float64], labels: NDArray[np.int64], groups: Sequence[str],
    predictions: NDArray[np.float64],
) -> NDArray[np.int64]:  # fmt: skip
    return np.resize(labels, len(predictions))


def deal(recipe: Recipe, config: AffettiConfig, songs: Sequence[TrackFeatures],
         *rest: object, start: object = None) -> list[FoldNetwork]:  # fmt: skip
    held = [
        tuple(e for e in songs if is_song(e) and fold_of(e.track.artist_group) == fold)
        for fold in range(FOLDS)
    ]
    return [FoldNetwork(untrained(fold), part) for fold, part in enumerate(held)]


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_draws: None) -> list[str]:
    """Give the command line of an evaluation of untrained networks on few songs."""
    examples = material()
    folder = tmp_path / "data" / "panda4q"
    folder.mkdir(parents=True)
    rows = [f"t{index},Jazz; Pop" if index < 12 else f"t{index}," for index in range(16)]
    (folder / "songs.csv").write_text("\n".join(["id,genres", *rows]) + "\n")
    (tmp_path / "rivals").mkdir()
    for task in TASKS:
        keep_rival(tmp_path / "rivals", "li+musicnn", task, examples)
        keep_rival(tmp_path / "rivals", "probe", task, examples)

    for name, replacement in {
        "AffettiConfig": lambda: CONFIG,
        "text_start": lambda *_: {},
        "cross_validate": deal,
        "leave_domains_out": lambda *_, start: {},
        "train_final": lambda recipe, *rest: untrained(recipe.seed),
        "fit_and_predict": guess,
        "mfcc_statistics": lambda _: np.random.default_rng(0).normal(size=(16, 3)),
    }.items():
        monkeypatch.setattr(evaluation, name, replacement)
    monkeypatch.setattr(Material, "load", lambda data, cache, work: examples)
    parts = {"data": "data", "work": "work", "rivals": "rivals", "out": "out"}
    options = [word for name, part in parts.items() for word in (f"--{name}", f"{tmp_path / part}")]
    return ["evaluate", *options, "--predictions", str(tmp_path / "kept" / "said.json")]


def test_the_whole_evaluation_is_written(evaluated: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert cli.main(evaluated) == 0
    report = json.loads((tmp_path / "out" / "house-model.json").read_text())
    kept = json.loads((tmp_path / "kept" / "said.json").read_text())
    assert [row["networks"] for row in report["rivals"]["cluster"]] == [2, 2]
    assert {row["paper"] for row in report["rivals"]["quadrant"]} == {"Li", None}
    assert list(report["details"]["test"]["quadrant"]["genres"]) == ["Jazz", "Pop", "other"]
    assert "genres" not in report["details"]["test"]["cluster"]
    said = kept["test"]["cluster"]["given"]["audio+lyrics+context"]
    assert np.array(said["probabilities"]).shape == (5, 15, 5)
    assert np.array(said["spread"]).shape == (5, 15, 2)
    assert len(kept["cross_validation"]["quadrant"]["songs"]) == 40
    page = (tmp_path / "out" / "house-model.md").read_text()
    assert "![reliability diagrams](house-model-reliability.png)" in page
    assert (tmp_path / "out" / "house-model-reliability.png").stat().st_size > 10_000
    assert "| Li: cross-modal Transformer | Li | musicnn | 2 | " in page
    assert page == markdown(report, picture="house-model-reliability.png")
    assert "nan" not in page


def test_without_rivals_and_matplotlib_the_rest_is_written(
    evaluated: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for path in (tmp_path / "rivals").iterdir():
        path.unlink()
    assert cli.main(evaluated) == 0
    said = capsys.readouterr().out
    assert f"no rivals in quadrant: {tmp_path / 'rivals'} holds no predictions" in said
    assert "house-model-reliability.png is not drawn: matplotlib" in said
    page = (tmp_path / "out" / "house-model.md").read_text()
    assert "No predictions of other models were found." in page
    assert "![" not in page


def test_a_wrong_rival_is_reported_before_the_training(
    evaluated: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(evaluation, "train_all", None)
    (tmp_path / "rivals" / "mirex-wang.json").write_text('{"songs": []}')
    assert cli.main(evaluated) == 1
    assert "mirex-wang.json is damaged" in capsys.readouterr().err


def test_songs_come_with_calibrated_networks_that_were_not_trained_on_them(
    evaluated: list[str], tmp_path: Path
) -> None:
    args = argparse.Namespace(threads=0, data=tmp_path, cache=tmp_path, work=tmp_path)
    read, folds = evaluation.held_out_folds(args)
    assert {song.track.track_id for fold in folds for song in fold.held_out} == {
        song.track.track_id for song in read.development if is_song(song)
    }
    assert all(
        fold_of(song.track.artist_group) == number
        for number, fold in enumerate(folds)
        for song in fold.held_out
    )
    assert all(fold.network.config.affect_scale != CONFIG.affect_scale for fold in folds)


def test_figures_are_json_whatever_they_are(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    write_json(path, {"a": [float("nan"), 0.5], "b": (float("inf"), None)})
    assert json.loads(path.read_text()) == {"a": [None, 0.5], "b": [None, None]}
