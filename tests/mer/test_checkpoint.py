"""Checkpoints: bit-equal round trips, and what damage is called."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mer import checkpoint
from mer.errors import (
    CheckpointCorruptError,
    CheckpointError,
    CheckpointVersionError,
    InputError,
)

CONFIG = {"width": 8, "scale": [1.0, 0.5], "name": "ä"}
CARD = {"licence": "research", "limits": "many"}


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "b": torch.randn(3, 4, generator=generator).T,  # not contiguous
        "a": torch.tensor([float("nan"), -0.0, 1e-42]),
        "count": torch.tensor(7),
    }


@pytest.fixture
def path(state, tmp_path):
    return checkpoint.save(state, CONFIG, CARD, tmp_path / "new", "affetti")


def test_a_round_trip_is_bit_equal(state, path):
    loaded, config = checkpoint.load(path)
    assert config == CONFIG
    assert set(loaded) == set(state)
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].numpy().tobytes() == tensor.contiguous().numpy().tobytes()


def test_the_name_carries_the_checksum_and_nothing_is_left_behind(path):
    card = checkpoint.read_card(path)
    assert card["model_version"] == path.stem == f"affetti-{card['sha256'][:8]}"
    assert card["licence"] == "research"
    assert card["config"] == CONFIG
    assert {file.suffix for file in path.parent.iterdir()} == {".safetensors", ".json"}


def test_the_same_weights_give_the_same_file(state, path, tmp_path):
    again = checkpoint.save(
        dict(reversed(state.items())), dict(reversed(CONFIG.items())), {}, tmp_path, "affetti"
    )
    assert again.read_bytes() == path.read_bytes()


@settings(deadline=None)  # it waits for the disk
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(tmp_path_factory, where, bit):
    folder = tmp_path_factory.mktemp("flip")
    path = checkpoint.save({"w": torch.arange(9.0)}, CONFIG, CARD, folder, "m")
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(CheckpointCorruptError, match="checksum"):
        checkpoint.load(path)


def test_a_cut_file_is_found(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointCorruptError):
        checkpoint.load(path)


def test_a_renamed_file_is_found(path):
    other = path.with_name("affetti-00000000.safetensors")
    path.with_suffix(".json").rename(other.with_suffix(".json"))
    path.rename(other)
    with pytest.raises(CheckpointCorruptError):
        checkpoint.load(other)


def test_a_foreign_format_is_told_from_damage(state, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 99)
    path = checkpoint.save(state, CONFIG, CARD, tmp_path, "affetti")
    monkeypatch.undo()
    with pytest.raises(CheckpointVersionError, match="99"):
        checkpoint.load(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    data = b"not safetensors at all"
    sha256 = hashlib.sha256(data).hexdigest()
    path = tmp_path / f"affetti-{sha256[:8]}.safetensors"
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps({"sha256": sha256}))
    with pytest.raises(CheckpointCorruptError, match="not a checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_missing_file_is_named(path, suffix):
    path.with_suffix(suffix).unlink()
    with pytest.raises(CheckpointError, match=suffix):
        checkpoint.load(path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_card_is_found(path, text):
    path.with_suffix(".json").write_text(text)
    with pytest.raises(CheckpointCorruptError, match="json"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["", "../x", "Aff", "a b", "-a", "a-"])
def test_a_name_that_is_no_name_is_refused(name, state, tmp_path):
    with pytest.raises(InputError, match="lower-case"):
        checkpoint.save(state, CONFIG, CARD, tmp_path, name)


def test_exactly_one_packaged_checkpoint_is_expected(monkeypatch, tmp_path, state):
    monkeypatch.setattr(checkpoint, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint affetti"):
        checkpoint.packaged_version()
    path = checkpoint.save(state, CONFIG, CARD, tmp_path, "affetti")
    checkpoint.save(state, CONFIG, CARD, tmp_path, "affetti-text")
    assert checkpoint.packaged_path("affetti") == path
    assert checkpoint.packaged_version("affetti") == path.stem
    checkpoint.save({}, CONFIG, CARD, tmp_path, "affetti")
    with pytest.raises(CheckpointError, match="several"):
        checkpoint.packaged_path("affetti")


def test_plain_modules_do_not_load_torch():
    code = (
        "import sys, mer.checkpoint, mer.prediction, mer.affect, mer.lyrics, mer.errors;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
