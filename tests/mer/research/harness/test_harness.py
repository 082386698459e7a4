"""The harness: labels, modifications, batches, resumable runs, the table."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.affect import Quadrant
from mer.errors import CheckpointCorruptError, InputError
from mer.metrics import ccc
from mer.research.architectures.base import architecture, architectures
from mer.research.datasets.base import AffectLabels, Track
from mer.research.harness import compare
from mer.research.harness import run as harness
from mer.research.harness.estimators import ESTIMATORS, fit_estimator
from mer.research.harness.examples import Batcher, Condition, share_of, tracks, withhold
from mer.research.harness.labels import Labeller
from mer.research.harness.losses import differentiable_ccc
from mer.research.harness.run import Run, fit
from mer.research.inputs.sounds import Sounds
from tests.mer.research.material import material, write_tone

if TYPE_CHECKING:
    from pathlib import Path

    from mer.research.harness.examples import Material

pytest.importorskip("accelerate", reason="needs the research extra")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material(tmp_path_factory.mktemp("songs"))


def rated(valence: float, arousal: float, quadrant: Quadrant | None = None) -> Track:
    return Track("mirex", "x", "train", AffectLabels(quadrant, None, valence, arousal))


# --- labels ------------------------------------------------------------------------------------


def test_a_quadrant_that_is_given_wins_over_one_that_is_derived() -> None:
    labeller = Labeller("quadrant", (0.4, 0.6), (0.5, 0.5))
    given, derived = rated(0.9, 0.9, Quadrant.Q3), rated(0.9, 0.9)
    assert labeller.labels([given, derived]).hard.tolist() == [2, 0]


def test_quadrants_meet_at_the_training_songs_mean() -> None:
    labeller = Labeller.fit("quadrant", [rated(0.7, 0.3), rated(0.9, 0.5)])
    assert labeller.centre == pytest.approx((0.8, 0.4))
    asked = [rated(0.75, 0.45), rated(0.85, 0.35)]
    assert labeller.labels(asked).hard.tolist() == [1, 3]


def test_polarity_has_a_third_of_the_training_songs_each() -> None:
    pool = [rated(value, 0.5) for value in np.linspace(0, 1, 30)]
    hard = Labeller.fit("polarity", pool).labels(pool).hard
    assert torch.bincount(hard).tolist() == [10, 10, 10]


def test_an_unknown_label_is_zeros_and_nan() -> None:
    track = Track("mirex", "x", "train", AffectLabels())
    labels = Labeller("cluster", (0.4, 0.6), (0.5, 0.5)).labels([track])
    assert not labels.known.any()
    assert labels.affect.isnan().all()


def test_no_tracks_have_no_labels() -> None:
    labels = Labeller("cluster", (0.4, 0.6), (0.5, 0.5)).labels([])
    assert labels.classes.shape == (0, 5)
    assert not labels.known.any()


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="quadrant, cluster"):
        Labeller.fit("mood", [])


# --- disturbances ------------------------------------------------------------------------------


def test_noise_is_the_same_for_the_same_song_and_level(songs: Material) -> None:
    track = songs.examples[0].track
    first, again = (songs.sounds.waveform(track, 16_000, 5.0) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, songs.sounds.waveform(track, 16_000, 10.0))


def test_a_larger_share_of_songs_holds_a_smaller_one(songs: Material) -> None:
    lost = [
        {e.track.track_id for e in songs.examples
         if Condition(drop_songs=(("lyrics", share),)).loses(e.track, "lyrics")}
        for share in (0.0, 0.3, 0.6, 1.0)
    ]  # fmt: skip
    assert lost[0] == set()
    assert lost[1] <= lost[2] <= lost[3]
    assert len(lost[3]) == len(songs.examples)


def test_lost_steps_are_nested_and_one_is_left(songs: Material) -> None:
    track, condition = songs.examples[0].track, Condition()
    less, more = (condition.kept_steps(track, "lyrics", 10, share) for share in (0.3, 0.7))
    assert (int(less.sum()), int(more.sum())) == (7, 3)
    assert bool((less | ~more).all())
    assert int(condition.kept_steps(track, "lyrics", 10, 0.99).sum()) == 1
    assert int(condition.kept_steps(track, "lyrics", 10, 1.0).sum()) == 0


def test_shuffled_songs_keep_their_audio_and_get_another_songs_lyrics(songs: Material) -> None:
    examples = list(songs.examples)
    shuffled = Condition(shuffle=("lyrics",)).shuffled(examples)
    assert tracks(shuffled) == tracks(examples)
    for before, after in zip(examples, shuffled, strict=True):
        assert after.features.audio is before.features.audio
        assert after.features.context is before.features.context
        if before.features.lyrics is not None:
            assert after.features.lyrics is not before.features.lyrics


def test_a_song_that_loses_its_audio_is_given_without_it(songs: Material) -> None:
    batcher = Batcher(architecture("li"), "musicnn", "small", songs.sounds)
    condition = Condition(drop_songs=(("audio", 1.0),))
    examples = songs.songs("panda4q", "test")
    present = batcher.present(examples, condition)
    batch = batcher.batch(examples, present, [0.0] * len(examples), condition)
    assert not batch.has_audio.any()
    assert not batch.patches_mask.any()
    assert batch.context_mask.any(dim=1).all()


@pytest.mark.parametrize(("share", "left"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_lost_frames_and_tokens_are_lost_in_every_input(
    share: float, left: float, songs: Material
) -> None:
    batcher = Batcher(architecture("lgfn"), "own", "small", songs.sounds)
    examples = [e for e in songs.examples if e.features.lyrics is not None][:3]
    condition = Condition(frame_drop=share, token_drop=share)
    present = batcher.present(examples, condition)
    batch = batcher.batch(examples, present, [0.0] * 3, condition)
    assert (batch.waveform != 0).float().mean().item() == pytest.approx(left, abs=0.02)
    assert (batch.log_mel != 0).any(dim=1).float().mean().item() == pytest.approx(left, abs=0.02)
    assert batch.has_audio.tolist() == [left > 0] * 3
    words = [len(e.context_words + e.lyrics_words) for e in examples]
    assert [len(w) for w in batch.words] == [round(count * left) for count in words]


def test_a_short_clip_is_repeated_to_fill_the_window(songs: Material, tmp_path: Path) -> None:
    entry = architecture("gujar")
    batcher = Batcher(entry, "own", "small", songs.sounds)
    examples = songs.songs("panda4q", "test")
    present = batcher.present(examples)
    batch = batcher.batch(examples, present, [1.0] * len(examples))
    assert batch.log_mel.shape[2] == 256  # 5.94 s of a clip of 3.2 s
    assert bool((batch.log_mel[:, :, -1] != 0).any())


def test_modality_dropout_leaves_every_song_something() -> None:
    present = torch.tensor([[True, True, True], [True, False, False]] * 50)
    torch.manual_seed(0)
    kept = withhold(present, 0.9)
    assert kept.any(dim=1).all()
    assert bool((present | ~kept).all())
    assert int(kept.sum()) < int(present.sum())


# --- sounds ------------------------------------------------------------------------------------


def test_noisy_log_mels_are_kept_for_one_level(songs: Material) -> None:
    track = songs.examples[0].track
    first = songs.sounds.log_mel(track, "li", 5.0)
    assert songs.sounds.log_mel(track, "li", 5.0) is first
    assert not torch.equal(songs.sounds.log_mel(track, "li", 0.0), first)
    again = songs.sounds.log_mel(track, "li", 5.0)
    assert again is not first
    assert torch.equal(again, first)


def test_a_clip_is_decoded_once(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 300)
    track = Track("panda4q", "a", "train", AffectLabels(), audio_path=path)
    first = Sounds(tmp_path / "kept").waveform(track, 16_000)
    path.write_bytes(bytes(path.stat().st_size))  # of the same size, and no audio any more
    again = Sounds(tmp_path / "kept").waveform(track, 16_000)
    assert np.array_equal(first, again)


def test_a_track_without_audio_is_named(tmp_path: Path) -> None:
    track = Track("panda4q", "A7", "train", AffectLabels())
    with pytest.raises(InputError, match="panda4q A7"):
        Sounds(tmp_path).waveform(track, 16_000)


# --- runs --------------------------------------------------------------------------------------


def test_the_differentiable_ccc_is_the_metric() -> None:
    generator = np.random.default_rng(0)
    said, true = generator.random((20, 2)), generator.random((20, 2))
    columns = differentiable_ccc(torch.from_numpy(said), torch.from_numpy(true))
    assert columns.tolist() == pytest.approx([ccc(true[:, i], said[:, i]) for i in range(2)])


def front_ends() -> list[tuple[str, str]]:
    return [(name, kind) for name, entry in architectures().items() for kind in entry.inputs]


class Killed(BaseException):
    """As a process that is killed: nothing after it runs."""


@pytest.mark.parametrize(("name", "kind"), front_ends())
def test_a_killed_run_goes_on_and_ends_where_a_straight_one_does(
    name: str, kind: str, songs: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Run(name, front_end=kind, epochs=2, seed=3)  # type: ignore[arg-type]
    straight = fit(wanted, songs, None, progress=False)
    save = harness._Fitting._save

    def save_and_die(fitting: harness._Fitting) -> None:
        save(fitting)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(harness._Fitting, "_save", save_and_die)
        with pytest.raises(Killed):
            fit(wanted, songs, tmp_path, progress=False)
    resumed = fit(wanted, songs, tmp_path, progress=False)
    assert [epoch["epoch"] for epoch in resumed.history] == [0, 1]
    for key, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key
    read = fit(wanted, songs, tmp_path, progress=False)  # a finished run is not repeated
    assert read.history == resumed.history
    examples = songs.songs("panda4q", "test")
    said, again = (each.predict(examples).probabilities for each in (resumed, read))
    assert np.array_equal(said, again)


def test_the_history_is_one_json_object_an_epoch(songs: Material, tmp_path: Path) -> None:
    trained = fit(Run("li", front_end="musicnn", epochs=2), songs, tmp_path, progress=False)
    (path,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == list(trained.history)


def test_a_damaged_state_is_named(songs: Material, tmp_path: Path) -> None:
    wanted = Run("li", front_end="musicnn", epochs=1)
    fit(wanted, songs, tmp_path, progress=False)
    (path,) = tmp_path.glob("*.pt")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointCorruptError, match=r"li-.*\.pt is damaged"):
        fit(wanted, songs, tmp_path, progress=False)


def test_a_song_is_never_left_without_what_the_network_reads(songs: Material) -> None:
    wanted = Run("cnn", front_end="musicnn", epochs=1, modality_dropout=0.9)
    assert wanted.read == ("audio",)
    trained = fit(wanted, songs, progress=False)
    present = withhold(trained.batcher.present(songs.examples), 0.9)
    assert present.tolist() == [[True, False, False]] * len(songs.examples)


def test_another_seed_is_another_network(songs: Material) -> None:
    one, two = (
        fit(Run("li", front_end="musicnn", epochs=1, seed=seed), songs, progress=False)
        for seed in (0, 1)
    )
    asked = songs.songs("panda4q", "test")
    assert not np.allclose(one.predict(asked).probabilities, two.predict(asked).probabilities)


@pytest.mark.parametrize("target", ["quadrant", "va", "emotion8"])
def test_every_target_is_learnt_from_songs_that_show_it(songs: Material, target: str) -> None:
    trained = fit(
        Run("early-concat", target=target, front_end="musicnn", epochs=12), songs, progress=False
    )
    asked = songs.songs("panda4q", "test")
    said, labels = trained.predict(asked), trained.labeller.labels(tracks(asked))
    if target == "va":
        assert ccc(labels.affect[:, 0].double().numpy(), said.affect[:, 0]) > 0.5
    else:
        assert (said.probabilities.argmax(axis=1) == labels.hard.numpy()).mean() >= 0.75


def test_a_smaller_label_rate_trains_on_some_of_the_larger_ones_songs(songs: Material) -> None:
    pool = songs.songs("panda4q", "train")
    some, more = (share_of(pool, share) for share in (0.3, 0.7))
    assert {e.track.track_id for e in some} < {e.track.track_id for e in more}
    assert (len(some), len(more)) == (round(0.3 * len(pool)), round(0.7 * len(pool)))


def test_withheld_modalities_do_not_matter(songs: Material) -> None:
    wanted = Run("early-concat", front_end="musicnn", epochs=1, modalities=("audio",))
    trained = fit(wanted, songs, progress=False)
    asked = songs.songs("panda4q", "test")
    silent = [replace(e, features=replace(e.features, lyrics=None, context=None)) for e in asked]
    said, also = (trained.predict(each).probabilities for each in (asked, silent))
    assert np.array_equal(said, also)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Run("nobody"), "no architecture"),
        (Run("li", variant="upside-down"), "no variant 'upside-down'"),
        (Run("li", dataset="deam"), "'deam'"),
        (Run("li", target="mood"), "no target"),
        (Run("li", target="cluster"), "no training song of panda4q"),
    ],
)
def test_a_wrong_wish_is_named(wanted: Run, message: str, songs: Material) -> None:
    with pytest.raises(InputError, match=message):
        fit(wanted, songs, progress=False)


# --- baselines and the table -------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_baseline_predicts_from_its_modalities_alone(name: str, songs: Material) -> None:
    fitted = fit_estimator(Run(name), songs)
    asked = songs.songs("panda4q", "test")
    said = fitted.predict(asked)
    assert np.allclose(said.probabilities.sum(axis=1), 1)
    truth = fitted.labeller.labels(tracks(asked)).hard.numpy()
    right = (said.probabilities.argmax(axis=1) == truth).mean()
    assert right <= 0.5 if name == "majority" else right >= 0.75
    if name == "probe-audio":
        lost = fitted.predict(asked, Condition(drop_songs=(("lyrics", 1.0), ("context", 1.0))))
        assert np.array_equal(said.probabilities, lost.probabilities)


def test_the_table_has_a_row_for_every_model_and_tests_against_the_best_baseline(
    songs: Material, tmp_path: Path
) -> None:
    args = argparse.Namespace(
        models=("majority", "probe", "li"), front_ends=("musicnn",), seeds=2, size="small",
        epochs_own=1, epochs_musicnn=2, split="test", work=tmp_path, predictions=tmp_path / "said",
    )  # fmt: skip
    figures = compare.measure(songs, "panda4q", "quadrant", args)
    assert set(figures["rows"]) == {"majority", "probe", "li+musicnn"}
    assert figures["best_baseline"] == "probe"
    row = figures["rows"]["li+musicnn"]
    assert len(row["macro_f1"]["each"]) == 2
    assert row["macro_f1"]["low"] <= row["macro_f1"]["estimate"] <= row["macro_f1"]["high"]
    assert "against_best_baseline" in row
    table = compare.table("panda4q", "quadrant", figures)
    assert {len(line) for line in table.rows} == {len(table.columns)}
    kept = json.loads((tmp_path / "said" / "panda4q-li+musicnn.json").read_text())
    assert len(kept["songs"]) == len(kept["labels"]) == len(kept["probabilities"][1]) == 4


def test_an_unknown_model_in_the_table_is_named() -> None:
    with pytest.raises(InputError, match="'lee'"):
        compare.entrants(("lee",), ("own",))
