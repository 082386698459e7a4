"""Noise, imbalance, transfer, label rate and missing modalities, on synthetic songs."""

from __future__ import annotations

import itertools
import json
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from mer import metrics
from mer.affect import QUADRANTS
from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM
from mer.errors import DatasetError, InputError
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.datasets.base import AffectLabels, Track
from mer.research.experiments import imbalance, label_rate, modality_drop, noise, transfer
from mer.research.experiments.base import Setting, experiments, write
from mer.research.experiments.statistics import (
    Row,
    predict_probabilities,
    rows_of,
    runs_of,
    songs_of,
)
from mer.research.harness.examples import TEXT_DIM, Condition, Example, Material, tracks
from mer.research.inputs.features import TrackFeatures
from mer.research.inputs.sounds import SAMPLE_RATE, Sounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mer.affect import Quadrant
    from mer.research.architectures.base import BuildOptions, FrontEndKind, InputName, SongBatch
    from mer.research.datasets.base import Split
    from mer.research.experiments.base import Experiment, Report
    from mer.research.experiments.statistics import Floats

SEEDS = (0, 1)
NAMES = ("noise", "imbalance", "transfer", "label-rate", "modality-drop")
COLUMNS = "artist_key,title_key,ds_a,id_a,ds_b,id_b"
AXES = ("valence", "arousal")
PLACES = {"Q1": (0.8, 0.8), "Q2": (0.2, 0.8), "Q3": (0.2, 0.2), "Q4": (0.8, 0.2)}


class Tiny(nn.Module):
    """Sums what three linear layers make of the mean of each modality that a song has."""

    def __init__(self, options: BuildOptions, heard: int) -> None:
        super().__init__()
        self.audio = nn.Linear(heard, options.classes + 2) if heard else None
        self.lyrics = nn.Linear(TEXT_DIM, options.classes + 2)
        self.context = nn.Linear(TEXT_DIM, options.classes + 2)
        self.front_end = options.front_end

    def forward(self, batch: SongBatch) -> ModelOutput:
        parts = [
            layer(_mean(states, mask)) * mask.any(dim=1, keepdim=True)
            for layer, states, mask in (
                (self.lyrics, batch.lyrics, batch.lyrics_mask),
                (self.context, batch.context, batch.context_mask),
            )
        ]
        if self.audio is not None and self.front_end == "own":
            parts.append(self.audio(batch.log_mel.mean(dim=2)) * batch.has_audio[:, None])
        elif self.audio is not None:
            mask = batch.patches_mask & batch.has_audio[:, None]
            parts.append(self.audio(_mean(batch.patches, mask)) * mask.any(dim=1, keepdim=True))
        both = torch.stack(parts).sum(dim=0)
        return ModelOutput(both[:, :-2], both[:, -2:].sigmoid())


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _entry(name: str, *, hears: bool) -> Architecture:
    texts: tuple[InputName, ...] = ("lyrics", "context")
    inputs: dict[FrontEndKind, frozenset[InputName]] = {"own": frozenset(texts)}
    if hears:
        inputs = {
            "own": frozenset({"log_mel", *texts}),
            "musicnn": frozenset({"patches", *texts}),
        }
    width = {"own": 40, "musicnn": AUDIO_EMBEDDING_DIM}
    training = TrainingDefaults(learning_rate=1e-2, batch_songs=8, epochs=2)
    return Architecture(
        name=name,
        title=name.capitalize(),
        paper="baseline",
        modalities=("audio", "lyrics", "context") if hears else ("lyrics", "context"),
        inputs=inputs,
        mel_preset="li" if hears else None,
        window_seconds={"small": 1.0, "paper": 1.0},
        test_windows=2,
        build=lambda options: Tiny(options, width[options.front_end] if hears else 0),
        training={"own": training, "musicnn": training},
    )


ENTRIES = {"tiny": _entry("tiny", hears=True), "reader": _entry("reader", hears=False)}


class DeafEncoder:
    """In place of MusiCNN, which needs seconds: the mean of a patch, and nothing more."""

    @classmethod
    def from_pretrained(cls) -> DeafEncoder:
        return cls()

    def embed(self, patches: torch.Tensor) -> torch.Tensor:
        return patches.mean(dim=(1, 2))[:, None].expand(-1, AUDIO_EMBEDDING_DIM)


def write_wav(path: Path, index: int, hertz: float) -> Path:
    """A tone with a silent end."""
    time = np.arange(int(3.3 * SAMPLE_RATE)) / SAMPLE_RATE
    tone = 0.1 * np.sin(2 * np.pi * (hertz + 7 * index) * time) * (time < 3.1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    return path


def example(folder: Path, dataset: str, index: int, split: Split) -> Example:
    """One song; of mirex, with lyrics and a cluster; what it says of its class is in all inputs."""
    generator = torch.Generator().manual_seed(index)
    group = index % (4 if dataset == "panda4q" else 5)
    quadrant: Quadrant = QUADRANTS[index % 4]
    valence, arousal = PLACES[quadrant]
    if dataset == "mirex":  # all pleasant for whoever knows panda4q alone
        valence = 0.75 + 0.2 * (valence - 0.5)
    shift = 0.01 * (index % 7)
    labels = AffectLabels(
        quadrant=quadrant if dataset == "panda4q" else None,
        cluster=group if dataset == "mirex" else None,
        valence=valence - shift,
        arousal=arousal - shift,
    )

    def states(steps: int, width: int) -> torch.Tensor:
        rows = torch.randn(steps, width, generator=generator)
        rows[:, group] += 2
        return rows.half()

    track = Track(
        dataset,
        f"{index}",
        split,
        labels,
        audio_path=write_wav(folder / f"{dataset}{index}.wav", index, 220.0 * 2**group),
        lyrics=f"la {index}" if dataset == "mirex" else None,
    )
    lyrics = states(6, TEXT_DIM) if dataset == "mirex" else None
    return Example(
        TrackFeatures(track, states(4, AUDIO_EMBEDDING_DIM), lyrics, states(3, TEXT_DIM))
    )


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("songs")
    songs = [example(folder, "panda4q", i, "train" if i < 16 else "val") for i in range(48)]
    songs += [example(folder, "mirex", i, "train" if i < 15 else "val") for i in range(35)]
    return Material(tuple(songs), Sounds(folder / "clips"))


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mer.research.architectures.base.architectures", lambda: ENTRIES)
        patch.setattr("mer.research.inputs.sounds.MusicnnEncoder", DeafEncoder)
        yield


@pytest.fixture(scope="module")
def setting(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    data = tmp_path_factory.mktemp("data")
    (data / "song_overlaps.csv").write_text(
        f"{COLUMNS}\nx,a,mirex,20,deezer,train\nx,b,mirex,2,panda4q,3\n"
    )
    return Setting(
        material=material,
        data=data,
        work=tmp_path_factory.mktemp("runs"),
        split="val",
        models=("tiny", "reader"),
        front_ends=("own", "musicnn"),
        seeds=SEEDS,
        size="small",
        epochs={"own": None, "musicnn": 1},
    )


@pytest.fixture(scope="module")
def reports(setting: Setting) -> dict[str, Report]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imbalance, "RESAMPLES", 50)
        return {name: experiments()[name].run(setting) for name in NAMES}


def entry(name: str) -> Experiment:
    return experiments()[name]


# --- every experiment


@pytest.mark.parametrize("name", NAMES)
def test_report_is_written_whole(name: str, reports: dict[str, Report], tmp_path: Path) -> None:
    report = reports[name]
    page = write(entry(name), report, "typed", "on songs made up", tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{name}.{kind}" for kind in ("md", "json", "png")}
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / f"{name}.json").read_text())["command"] == "typed"
    assert "As printed [" in page.read_text()
    assert report.notes


@pytest.mark.parametrize("name", NAMES)
def test_tables_have_a_row_for_every_model_and_a_baseline(
    name: str, reports: dict[str, Report]
) -> None:
    for table in reports[name].tables:
        heads = [row[:2] for row in table.rows]
        assert heads[0][1] == "none"
        assert set(heads[1:]) == {("Tiny", "own"), ("Tiny", "musicnn"), ("Reader", "own")}
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_front_ends_that_a_model_lacks_are_no_rows(setting: Setting) -> None:
    assert rows_of(setting) == [Row("tiny", "own"), Row("tiny", "musicnn"), Row("reader", "own")]


def test_runs_are_shared_and_not_trained_again(
    setting: Setting, reports: dict[str, Report]
) -> None:
    # Per row and seed: quadrants of both sets, four shares of labels, clusters with and without
    # dropout; noise and imbalance add none to those that transfer trains.
    wanted = len(rows_of(setting)) * len(SEEDS) * (2 + 4 + 2)
    stamps = {path: path.stat().st_mtime_ns for path in setting.work.glob("*.pt")}
    assert len(stamps) == wanted
    for row in rows_of(setting):
        for run in runs_of(setting, row, "panda4q", "va"):
            assert setting.train(run).run == run
    assert {path: path.stat().st_mtime_ns for path in setting.work.glob("*.pt")} == stamps


def test_epochs_are_those_of_the_front_end(setting: Setting) -> None:
    (own, *_), (frozen, *_) = (
        runs_of(setting, Row("tiny", front_end), "panda4q", "quadrant")
        for front_end in ("own", "musicnn")
    )
    assert (own.epochs, frozen.epochs) == (None, 1)


def test_no_labelled_song_is_an_error(setting: Setting) -> None:
    with pytest.raises(InputError, match="no test song of panda4q"):
        songs_of(replace(setting, split="test"), "panda4q", "quadrant")


# --- noise


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_noise_has_its_level(setting: Setting, level: float) -> None:
    track = songs_of(setting, "panda4q", "quadrant").examples[0].track
    clean = setting.material.sounds.waveform(track, SAMPLE_RATE)
    noisy = setting.material.sounds.waveform(track, SAMPLE_RATE, level)
    loud = np.abs(clean) > 1e-3 * np.abs(clean).max()
    ratio = 10 * np.log10(np.mean(clean[loud] ** 2) / np.mean((noisy - clean) ** 2))
    assert ratio == pytest.approx(level, abs=0.1)


def test_noise_reaches_the_audio_and_nothing_else(reports: dict[str, Report]) -> None:
    found = reports["noise"].figures["accuracy"]
    levels = ["clean", *(f"{level:g} dB" for level in noise.LEVELS)]
    assert list(found["reader/own"]) == [*levels, "area", "drop"]
    assert found["reader/own"]["drop"] == {"estimate": 0, "low": 0, "high": 0, "each": [0, 0]}
    for row in ("tiny/own", "tiny/musicnn"):
        assert len({tuple(found[row][level]["each"]) for level in levels}) > 1
        drop = found[row]["clean"]["estimate"] - found[row]["0 dB"]["estimate"]
        assert found[row]["drop"]["estimate"] == pytest.approx(drop)


# --- imbalance


@pytest.mark.parametrize("support", [(31, 31, 31, 31), (18, 40, 9, 30), (8, 1, 1, 1)])
def test_subsets_have_seven_in_ten_of_the_class(support: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(4), support)
    for prevailing in range(4):
        try:
            wanted = imbalance.sizes(labels, prevailing, 4)
        except InputError:
            assert support[prevailing] < 7
            continue
        counts = imbalance.subsets(labels, wanted, 3, 0, resampled=False)
        assert counts.max() == 1
        held = np.stack([counts[:, labels == each].sum(axis=1) for each in range(4)], axis=1)
        assert (held[:, prevailing] / held.sum(axis=1)).tolist() == pytest.approx([0.7] * 3)
        assert len({*np.delete(held, prevailing, axis=1).ravel().tolist()}) == 1
        # As large as may be: one more of every other class, and some class has not enough.
        each = wanted[(prevailing + 1) % 4] + 1
        assert any(
            support[index] < (7 * each if index == prevailing else each) for index in range(4)
        )


def test_subsets_are_seeded_and_resampled_within_classes() -> None:
    labels = np.repeat(np.arange(4), 20)
    wanted = imbalance.sizes(labels, 2, 4)

    def draw(seed: int, *, resampled: bool) -> Floats:
        return imbalance.subsets(labels, wanted, 5 * imbalance.EACH, seed, resampled=resampled)

    assert np.array_equal(draw(0, resampled=False), draw(0, resampled=False))
    assert not np.array_equal(draw(0, resampled=False), draw(1, resampled=False))
    again = draw(0, resampled=True)
    assert again.max() > 1
    assert (again[:, labels == 2].sum(axis=1) == wanted[2]).all()
    # The subsets of one sample know the same songs of the class, about two thirds of them.
    known = (again.reshape(-1, imbalance.EACH, len(labels)).max(axis=1) > 0)[:, labels == 2]
    assert (known.sum(axis=1) < 20).all()
    assert not (known == known[0]).all()


def test_a_class_without_songs_is_no_part_of_a_subset() -> None:
    labels = np.repeat([0, 2], [10, 10])
    assert imbalance.sizes(labels, 0, 4) == {0: 9, 2: 4}


def test_always_the_prevailing_class(reports: dict[str, Report]) -> None:
    figures_ = reports["imbalance"].figures
    for name in QUADRANTS:
        guess = figures_[name]["baseline"]
        assert guess["accuracy"]["estimate"] == pytest.approx(0.7)
        assert guess["weighted_f1"]["estimate"] == pytest.approx(0.7 * 1.4 / 1.7)
        assert guess["balanced_accuracy"]["estimate"] == pytest.approx(0.25)
        assert guess["macro_ap"]["estimate"] == pytest.approx(0.25)


# --- transfer


@pytest.mark.parametrize("learnt", [3, 20], ids=["by heart", "chooses the epoch"])
def test_transfer_refuses_before_it_trains(setting: Setting, tmp_path: Path, learnt: int) -> None:
    leak = tmp_path / "song_overlaps.csv"
    leak.write_text(f"{COLUMNS}\nx,y,mirex,20,panda4q,{learnt}\n")
    with pytest.raises(DatasetError, match=f"example {learnt} of panda4q"):
        entry("transfer").run(replace(setting, data=tmp_path, work=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_derived_quadrants_follow_the_training_set(setting: Setting) -> None:
    songs = transfer.test_songs(setting, "panda4q", "mirex")["mirex"]
    training = [track.labels for track in tracks(setting.material.songs("panda4q", "train"))]
    centre = [np.mean([getattr(each, name) for each in training]) for name in AXES]
    for song, label in zip(songs.examples, songs.labels.tolist(), strict=True):
        labels = song.track.labels
        assert labels.quadrant is None
        assert labels.valence is not None
        assert labels.arousal is not None
        high = (labels.valence >= centre[0], labels.arousal >= centre[1])
        expected = {(True, True): 0, (False, True): 1, (False, False): 2, (True, False): 3}
        assert label == expected[high]


def test_a_guess_transfers_nothing(reports: dict[str, Report]) -> None:
    for source, other in transfer.DIRECTIONS:
        guess = reports["transfer"].figures[f"{source} to {other}"]["baseline"]
        for name in (source, other):
            assert guess[name]["macro_auc"]["estimate"] == pytest.approx(0.5)
            assert guess[name]["kappa"]["estimate"] == pytest.approx(0.0)


# --- label rate


def test_label_rate_reports_agreement_with_the_songs(
    setting: Setting, reports: dict[str, Report]
) -> None:
    found = reports["label-rate"].figures
    assert found["baseline"]["30%"]["mean"]["estimate"] == pytest.approx(0.0)
    row = Row("tiny", "musicnn")
    songs = songs_of(setting, "panda4q", "va")
    for rate in label_rate.RATES:
        runs = [replace(r, label_rate=rate) for r in runs_of(setting, row, "panda4q", "va")]
        said = label_rate.predicted_affect([setting.train(run) for run in runs], songs)
        each = [metrics.ccc(songs.affect[:, 1], said[:, seed, 1]) for seed in range(len(SEEDS))]
        assert found[row.name][f"{rate:.0%}"]["arousal"]["each"] == pytest.approx(each)
        both = [found[row.name][f"{rate:.0%}"][name]["estimate"] for name in ("valence", "arousal")]
        assert found[row.name][f"{rate:.0%}"]["mean"]["estimate"] == pytest.approx(np.mean(both))


def test_ceilings_are_printed_apart(setting: Setting, tmp_path: Path) -> None:
    assert label_rate.human_ceilings(setting) == {}
    folder = tmp_path / "annotations" / "emomusic"
    folder.mkdir(parents=True)
    (folder / "static_annotations.csv").write_text(
        "song_id,valence_mean,valence_std,arousal_mean,arousal_std\n"
        "2,3,2,4,1\n3,7,2,6,1\n4,3,2,4,1\n5,7,2,6,1\n"
    )
    (row,) = label_rate.human_ceilings(replace(setting, data=tmp_path)).values()
    # Variances 4 and 1 of the labels, 4/10 and 1/10 of their errors: R2 is 0.9 for both.
    assert row["valence"] == pytest.approx(2 * 0.9 / 1.9)
    assert row["mean"] == pytest.approx(2 * 0.9 / 1.9)
    assert row["songs"] == 4


# --- missing modalities


def test_losing_a_modality_in_all_songs_is_withholding_it(setting: Setting) -> None:
    songs = songs_of(setting, "mirex", "cluster", having=("lyrics",))
    run = runs_of(setting, Row("tiny", "own"), "mirex", "cluster")[0]
    trained = setting.train(run)
    swept = modality_drop.swept([trained], songs)
    for name in ("audio", "lyrics", "context"):
        others = tuple(each for each in ("audio", "lyrics", "context") if each != name)
        without = replace(trained, batcher=replace(trained.batcher, modalities=others))
        assert np.allclose(swept[name][-1], predict_probabilities([without], songs), atol=1e-6)
        assert not np.allclose(swept[name][-1], swept[name][0], atol=1e-3)


def test_shares_are_put_together_as_the_harness_would_ask(setting: Setting) -> None:
    songs = songs_of(setting, "mirex", "cluster", having=("lyrics",))
    run = runs_of(setting, Row("tiny", "musicnn"), "mirex", "cluster")[0]
    trained = setting.train(run)
    swept = modality_drop.swept([trained], songs)
    for share, said in zip(modality_drop.SHARES, swept["lyrics"], strict=True):
        asked = predict_probabilities([trained], songs, Condition(drop_songs=(("lyrics", share),)))
        assert np.allclose(said, asked, atol=1e-6)
    counts = [sum(removed) for removed in modality_drop.lost(songs, "lyrics").values()]
    assert counts[0] == 0
    assert counts[-1] == len(songs.examples)
    assert all(few <= many for few, many in itertools.pairwise(counts))
    assert 0 < counts[2] < len(songs.examples)


def test_all_tokens_lost_is_no_text(setting: Setting) -> None:
    songs = songs_of(setting, "mirex", "cluster", having=("lyrics",))
    run = runs_of(setting, Row("tiny", "own"), "mirex", "cluster")[0]
    trained = setting.train(run)
    deaf = replace(trained, batcher=replace(trained.batcher, modalities=("audio",)))
    said = modality_drop.swept([trained], songs)["tokens"]
    assert np.allclose(said[-1], predict_probabilities([deaf], songs), atol=1e-6)


def test_half_of_the_curves_are_of_networks_without_dropout(
    setting: Setting, reports: dict[str, Report]
) -> None:
    found = reports["modality-drop"].figures
    songs = songs_of(setting, "mirex", "cluster", having=("lyrics",))
    run = runs_of(setting, Row("tiny", "own"), "mirex", "cluster")[0]
    for name, chance in (("trained with dropout", 0.2), ("without", 0.0)):
        said = setting.train(replace(run, modality_dropout=chance)).predict(songs.examples)
        right = np.mean(said.probabilities.argmax(axis=1) == songs.labels)
        assert found[f"tiny/own {name}"]["audio"]["accuracy"][0]["each"][0] == pytest.approx(right)


def test_songs_without_lyrics_are_left_out(setting: Setting) -> None:
    mute = [
        replace(each, features=replace(each.features, lyrics=None))
        if each.track.dataset == "mirex" and each.track.track_id == "20"
        else each
        for each in setting.material.examples
    ]
    fewer = replace(setting, material=replace(setting.material, examples=tuple(mute)))
    asked: Sequence[Example] = songs_of(fewer, "mirex", "cluster", having=("lyrics",)).examples
    assert "20" not in {each.track.track_id for each in asked}
    assert len(asked) == len(songs_of(setting, "mirex", "cluster").examples) - 1
