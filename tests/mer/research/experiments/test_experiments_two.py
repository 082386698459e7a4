"""Ablation, calibration, gates and scalability, from synthetic songs to pages."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from mer.affect import Quadrant
from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM
from mer.encoders.text import TokenStates
from mer.errors import InputError
from mer.metrics import ece, paired_bootstrap
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.lgfn import ARCHITECTURES as LGFN
from mer.research.datasets.base import AffectLabels, Track
from mer.research.experiments import ablation, calibration, gates, scalability, timing
from mer.research.experiments.base import Setting, write
from mer.research.experiments.statistics import Draws, figures
from mer.research.harness.examples import TEXT_DIM, Example, Material
from mer.research.harness.predictions import Predictions
from mer.research.inputs.features import TrackFeatures
from mer.research.inputs.sounds import Sounds
from tests.mer.untrained import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mer.research.architectures.base import BuildOptions, FrontEndKind, SongBatch
    from mer.research.experiments.base import Experiment, Report

SONGS = {"train": 20, "val": 20, "test": 20}
QUICK = TrainingDefaults(learning_rate=0.1, epochs=4, batch_songs=10)


class Toy(nn.Module):
    """Reads the class that is planted in the first numbers of the patches."""

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        self.variant, self.classes = options.variant, options.classes
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch: SongBatch) -> ModelOutput:
        planted = batch.patches[:, 0, : self.classes]
        logits = 15 * planted + 0 * self.scale
        if self.variant == "deaf":
            logits = 0 * logits - torch.arange(self.classes)
        return ModelOutput(logits, torch.full((len(logits), 2), 0.5) + 0 * self.scale)


def toy(name: str, variants: tuple[str, ...] = ("full",)) -> Architecture:
    return Architecture(
        name, f"{name} toy", "toy", ("audio", "lyrics", "context"),
        {"musicnn": frozenset({"patches", "lyrics", "context"})},
        None, {"small": 0.0, "paper": 0.0}, 1, Toy, variants, {"musicnn": QUICK},
    )  # fmt: skip


def song(dataset: str, split: str, index: int, audio: Path, heard: int | None = None) -> Example:
    """A song of class `index` mod 4 that sounds like class `heard`."""
    label = index % 4
    labels = (
        AffectLabels(cluster=label)
        if dataset == "mirex"
        else AffectLabels(quadrant=tuple(Quadrant)[label])
    )
    generator = torch.Generator().manual_seed(index)
    patches = torch.zeros(2, AUDIO_EMBEDDING_DIM)
    patches[:, label if heard is None else heard] = 1
    track = Track(dataset, f"{split}{index}", split, labels, audio, artist_group=f"{split}{index}")  # type: ignore[arg-type]
    features = TrackFeatures(
        track,
        patches.half(),
        torch.randn(3 + index % 3, TEXT_DIM, generator=generator).half(),
        torch.randn(2, TEXT_DIM, generator=generator).half(),
    )
    return Example(features, ("love", "rain"), ("title",))


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """Two in five songs sound like another class."""
    audio = write_tone(tmp_path / "tone.wav", 3.0, 330.0)
    examples = [
        song(dataset, split, index, audio, (index + 1) % 4 if index % 5 < 2 else None)
        for dataset in ("mirex", "panda4q")
        for split, count in SONGS.items()
        for index in range(count)
    ]
    return Setting(
        Material(tuple(examples), Sounds(tmp_path / "sounds")),
        data=tmp_path,
        work=tmp_path / "work",
        split="val",
        models=("toy",),
        front_ends=("musicnn",),
        seeds=(0, 1),
        size="small",
        epochs={"own": 1, "musicnn": 1},
    )


def register(monkeypatch: pytest.MonkeyPatch, *entries: Architecture) -> None:
    known = {entry.name: entry for entry in entries}
    monkeypatch.setattr("mer.research.architectures.base.architectures", lambda: known)


def page(entry: Experiment, report: Report, out: Path) -> tuple[str, dict[str, Any]]:
    path = write(entry, report, "python -m mer.research experiment", "val split", out)
    assert (out / f"{entry.name}.png").read_bytes().startswith(b"\x89PNG")
    kept: dict[str, Any] = json.loads((out / f"{entry.name}.json").read_text())
    return path.read_text(), kept


def test_ablation_has_a_row_for_every_variant(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, toy("hcma", ("full", "same", "deaf")), toy("toy", ("full", "deaf")))
    setting = replace(setting, models=("hcma", "toy"), front_ends=("own", "musicnn"))
    text, kept = page(ablation.EXPERIMENT, ablation.run(setting), tmp_path / "out")
    models = kept["models"]
    assert list(models["hcma/musicnn"]) == ["full", "same", "deaf", ablation.NO_ARTIST]
    assert list(models["toy/musicnn"]) == ["full", "deaf"]
    assert all(f"| {variant} |" in text for variant in ("full", "same", "deaf", "no artist"))
    same, deaf = models["hcma/musicnn"]["same"], models["hcma/musicnn"]["deaf"]
    assert same["less_whole"]["macro_f1"]["estimate"] == 0
    assert same["p"] == 1
    assert deaf["accuracy"]["estimate"] == kept["guess"]["accuracy"]["estimate"] == 0.25
    assert deaf["less_whole"]["macro_f1"]["high"] < 0
    assert deaf["p"] < 0.05
    assert deaf["p"] < deaf["p_adjusted"] < 1
    assert "96.14" in text


def test_ablation_shares_its_runs_with_the_other_experiments(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, toy("toy", ("full", "deaf")))
    calibration.run(setting)
    before = set(setting.work.glob("*mirex*.pt"))
    ablation.run(setting)
    after = set(setting.work.glob("*mirex*.pt"))
    assert len(before) == len(setting.seeds)
    assert len(after - before) == len(setting.seeds)  # those of the other variant alone


class Heard:
    """In place of the text encoder: remembers texts, and answers with their lengths."""

    texts: list[str]

    @classmethod
    def from_pretrained(cls, _: str) -> Heard:
        cls.texts = []
        return cls()

    def encode(self, texts: list[str], max_tokens: int) -> TokenStates:
        assert max_tokens > 1
        self.texts += texts
        lengths = torch.tensor([float(len(text)) for text in texts])
        states = lengths[:, None, None].expand(-1, 3, TEXT_DIM)
        mask = torch.tensor([[True, True, False]]).expand(len(texts), -1)
        return TokenStates(states, mask, torch.zeros(len(texts), 3, 2))


def test_no_artist_is_titles_alone(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "TextEncoder", Heard)
    titles = ["Rain", "", "Long Nights"]
    named = [
        Example.of(replace(e.features, track=replace(e.track, title=title, artist="Rosa Lamp")))
        for e, title in zip(setting.material.examples, titles, strict=False)
    ]
    setting = replace(setting, material=replace(setting.material, examples=tuple(named)))
    untold = ablation.without_artists(setting)
    assert Heard.texts == ["Rain", "Long Nights"]
    assert untold.work.parent == setting.work
    for before, after, title in zip(named, untold.material.examples, titles, strict=True):
        assert (after.track.title, after.track.artist) == (title, None)
        assert "lamp" in before.context_words
        assert "lamp" not in after.context_words
        context = after.features.context
        assert (None if context is None else context[:, 0].tolist()) == (
            [len(title)] * 2 if title else None
        )
        for name in ("audio", "lyrics"):
            assert getattr(after.features, name) is getattr(before.features, name)


def test_no_artist_is_a_network_of_its_own(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, toy("hcma"))
    ablation.run(replace(setting, models=("hcma",)))
    whole, untold = (
        sorted(path.name for path in folder.glob("*.pt"))
        for folder in (setting.work, setting.work / "titles")
    )
    assert len(whole) == len(setting.seeds)
    assert untold == whole


@pytest.mark.parametrize("front_ends", [(), ("eardrum",)])
@pytest.mark.parametrize("run", [ablation.run, calibration.run, gates.run, scalability.run])
def test_a_front_end_that_no_model_has_is_named(
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[Setting], Report],
    front_ends: tuple[FrontEndKind, ...],
) -> None:
    register(monkeypatch, toy("toy"))
    with pytest.raises(InputError, match=r"none of the models \(toy\) .* they have musicnn"):
        run(replace(setting, front_ends=front_ends))


def test_p_value_is_that_of_the_paired_bootstrap() -> None:
    generator = np.random.default_rng(3)
    first, second = (generator.random((2, 40)) < np.array([[0.55], [0.4]])).astype(float)
    expected = paired_bootstrap(lambda _, said: float(said.mean()), np.zeros(40), first, second)
    draws = Draws.of(40)
    differences = draws.values(lambda counts: counts @ (first - second) / 40)[None]
    assert ablation.p_value(differences) == pytest.approx(expected.p_value, abs=2e-3)
    assert figures(differences)["low"] == pytest.approx(expected.difference.low)


def test_temperature_undoes_a_known_scaling() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4000, 4))
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.minimum((generator.random((4000, 1)) > true.cumsum(axis=1)).sum(axis=1), 3)
    sure = calibration.scaled(true, 1 / 3)
    assert calibration.fit_temperature(labels, sure) == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(calibration.scaled(sure, 3), true)
    assert ece(labels, sure) > 5 * ece(labels, true)


def test_drawn_ece_is_that_of_the_metrics() -> None:
    generator = np.random.default_rng(1)
    said = generator.dirichlet(np.ones(4), 50)
    labels = generator.integers(0, 4, 50)
    drawn = calibration.MEASURES["ece"](labels, said, Draws.of(50, resamples=3))
    assert drawn[0] == pytest.approx(ece(labels, said))
    chosen = np.random.default_rng(0).integers(0, 50, 50)
    assert drawn[1] == pytest.approx(ece(labels[chosen], said[chosen]))


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_temperature_corrects_overconfidence(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, split: str
) -> None:
    register(monkeypatch, toy("toy"))
    setting = replace(setting, split=split)  # type: ignore[arg-type]
    text, kept = page(calibration.EXPERIMENT, calibration.run(setting), tmp_path / "out")
    for dataset in ("panda4q", "mirex"):
        found = kept[dataset]["models"]["toy toy / musicnn"]
        assert found["before"]["accuracy"]["estimate"] == pytest.approx(0.6)
        assert found["before"]["ece"]["estimate"] == pytest.approx(0.4, abs=0.01)
        assert found["after"]["ece"]["estimate"] < 0.1
        assert found["after_less_before"]["ece"]["estimate"] < -0.3
        assert found["after"]["accuracy"] == found["before"]["accuracy"]
        for name in ("nll", "brier"):
            assert found["after"][name]["estimate"] < found["before"][name]["estimate"]
        assert min(found["temperatures"]) > 2
    assert ("half" in text) == (split == "val")
    assert "Class shares of the training songs" in text


def test_temperatures_are_not_fitted_on_the_predicted_songs(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, toy("toy"))
    setting = replace(setting, split="test")
    before = calibration.run(setting).figures["mirex"]["models"]["toy toy / musicnn"]
    wrong = [
        replace(
            example,
            features=replace(
                example.features,
                track=replace(example.track, labels=AffectLabels(cluster=3)),
            ),
        )
        if example.track.dataset == "mirex" and example.track.split == "test"
        else example
        for example in setting.material.examples
    ]
    setting = replace(setting, material=Material(tuple(wrong), setting.material.sounds))
    after = calibration.run(setting).figures["mirex"]["models"]["toy toy / musicnn"]
    assert after["temperatures"] == before["temperatures"]
    assert after["after"]["accuracy"] != before["after"]["accuracy"]


def test_gates_of_lgfn_are_exact_without_a_modality(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = replace(LGFN["lgfn"], window_seconds={"small": 1.0, "paper": 1.0}, test_windows=1)
    register(monkeypatch, short, toy("toy"))
    setting = replace(setting, models=("lgfn", "toy"), front_ends=("own", "musicnn"))
    monkeypatch.setattr(
        "mer.research.inputs.sounds.Sounds.noisy_patches",
        lambda _, track, snr_db: torch.full((2, AUDIO_EMBEDDING_DIM), snr_db),
    )
    report = gates.run(setting)
    text, kept = page(gates.EXPERIMENT, report, tmp_path / "out")
    for row in ("lgfn/own", "lgfn/musicnn"):
        found = kept["models"][row]
        assert found["no text"]["gate"]["level"] == {
            "estimate": 1.0, "low": 1.0, "high": 1.0, "each": [1.0, 1.0]
        }  # fmt: skip
        assert found["no text"]["gate"]["expected"]["estimate"] == 1
        assert found["no audio"]["gate"]["level"]["high"] == 0
        assert 0 < found["no lyrics"]["gate"]["level"]["estimate"] < 1
        assert found["no text"]["entropy"]["level"] is None
        assert found["another song's lyrics"]["gate"]["change"]["each"] != [0.0, 0.0]
        assert found[gates.UNMODIFIED]["accuracy"]["change"]["estimate"] == 0
        level = found["noise at 0 dB"]["entropy"]["level"]["estimate"]
        assert 0 < level <= 1 + 1e-6
    assert "gate" not in kept["models"]["toy/musicnn"][gates.UNMODIFIED]
    assert (
        text.count("| yes |") == 2 * 4
    )  # two front ends; two gates without text, two without audio
    assert "NO |" not in text


def said(weights: Mapping[str, float]) -> gates.Predicted:
    songs = np.zeros(2)
    predictions = Predictions(
        np.full((2, 4), 0.25), np.full((2, 2), 0.5), {k: songs + v for k, v in weights.items()}
    )
    return gates.Predicted.by([predictions])


def test_a_gate_that_is_not_exact_is_found() -> None:
    by = {each.name: said({"audio": 0.9, "lyrics": 0.1}) for each in gates.MODIFICATIONS}
    found = [(condition, name, wanted) for condition, name, wanted, _ in gates.exact_gates(by)]
    assert found == [
        ("no text", "audio", 1.0), ("no text", "lyrics", 0.0),
        ("no audio", "audio", 0.0), ("no audio", "lyrics", 1.0),
    ]  # fmt: skip
    values = {
        condition: values for condition, name, _, values in gates.exact_gates(by) if name == "audio"
    }
    assert (values["no text"] == 0.9).all()


def test_a_context_gate_is_its_own() -> None:
    three = {"audio": 0.5, "lyrics": 0.3, "context": 0.2}
    by = {each.name: said(three) for each in gates.MODIFICATIONS}
    found = {(condition, name): wanted for condition, name, wanted, _ in gates.exact_gates(by)}
    assert found["no lyrics", "lyrics"] == 0
    assert ("no lyrics", "audio") not in found
    assert found["no text", "audio"] == 1


def test_changed_counts_songs_and_ignores_nan() -> None:
    before = np.array([[0.2], [0.5], [np.nan], [0.4]])
    after = np.array([[0.3], [0.4], [0.9], [0.40001]])
    found = gates.changed(before, after, 1, Draws.of(4, resamples=20))
    change, expected = found["change"], found["expected"]
    assert change is not None
    assert expected is not None
    assert change["estimate"] == pytest.approx(0.00001 / 3)
    assert expected["estimate"] == pytest.approx(1 / 3)
    assert gates.changed(before, after, 0, Draws.of(4, resamples=20))["expected"] is None


@dataclass
class Uneven:
    """Every third answer takes much longer."""

    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        time.sleep(0.02 if self.calls % 3 == 0 else 0.001)


def test_throughput_is_no_quotient_of_latency() -> None:
    waits: list[int] = []
    step = Uneven()
    found = timing.timed(step, 8, lambda: waits.append(step.calls), timing.Pace(2, 9, 6, 0.0))
    assert found["latencies"] == 9
    assert found["batches"] >= 6
    assert step.calls == 2 + 9 + found["batches"]
    # Waited for: the warm-ups once, each timed batch, and all the rest once.
    assert waits == [2, *range(3, 12), step.calls]
    assert found["songs_per_second"] == found["batches"] * 8 / found["seconds"]
    assert found["songs_per_second"] < 0.6 * 8 / (found["p50_ms"] / 1000)
    assert found["p95_ms"] > 2 * found["p50_ms"]


SPEC = timing.Spec("li", "own", "small", (1, 2, 65_536), 10.0, torch.get_num_threads())


def test_timing_stops_before_a_batch_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "CPU", timing.Pace(0, 1, 1, 0.0))
    monkeypatch.setattr(timing, "MEMORY_LIMIT_MB", 1e9)
    found = timing.measure(SPEC)
    assert list(found["rows"]) == ["1", "2"]
    assert set(found["stopped"]) == set(timing.WAYS)
    assert "65536 songs would take about" in found["stopped"]["raw"]
    assert found["rows"]["2"]["ready"]["songs"] == 2
    monkeypatch.setattr(timing, "MEMORY_LIMIT_MB", -1e9)
    assert "MB" in timing.measure(replace(SPEC, budget_seconds=600.0))["stopped"]["ready"]


def test_scalability_runs_in_a_process_of_its_own(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scalability, "BATCHES", (1, 2))
    monkeypatch.setattr(scalability, "SIZES", ("small",))
    monkeypatch.setitem(scalability.BUDGET_SECONDS, "small", 120.0)  # of a machine at its limit
    setting = replace(setting, models=("li",), front_ends=("own",))
    text, kept = page(scalability.EXPERIMENT, scalability.run(setting), tmp_path / "out")
    (measured,) = kept["measured"]
    row = measured["rows"]["2"]
    assert row["peak_mb"] >= measured["rows"]["1"]["peak_mb"] >= 0
    for way in timing.WAYS:
        assert row[way]["songs_per_second"] * row[way]["seconds"] == pytest.approx(
            2 * row[way]["batches"]
        )
        assert row[way]["latencies"] >= timing.CPU.latencies
    assert "| 512 | 387 | 1322 | 1322.997 |" in text
    assert not setting.work.exists()


def test_a_failed_timing_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(code: int) -> None:
        done = subprocess.CompletedProcess([], code, "", "Traceback\nOSError: no such thing\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)

    ended(1)
    with pytest.raises(InputError, match=r"timing li \(small\) failed: OSError: no such thing"):
        scalability.measure_apart(SPEC)
    ended(-9)
    assert "signal 9" in scalability.measure_apart(SPEC)["stopped"]["raw"]


def test_printed_rates_are_batch_over_latency() -> None:
    for batch, milliseconds, rate, _ in scalability.PRINTED:
        quotient = batch / (milliseconds / 1000)
        # To the printed decimal; the last one is cut, not rounded.
        assert rate == pytest.approx(quotient, abs=0.05) or rate == int(quotient)
