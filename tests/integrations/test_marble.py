"""Affetti as an encoder of MARBLE, with a stand-in for MARBLE's base class."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from mer import EmotionPipeline
from mer.audio.descriptors import describe
from mer.audio.patches import waveform_patches
from mer.pipeline import PreparedSong
from tests.places import ROOT

FOLDER = ROOT / "integrations/marble"
NAME = "integrations.marble.affetti_encoder"


@pytest.fixture
def encoder(monkeypatch):
    base = ModuleType("marble.core.base_encoder")
    base.BaseEncoder = torch.nn.Module
    for name, module in (("marble", ModuleType("marble")), ("marble.core", ModuleType("core"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, base.__name__, base)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    yield importlib.import_module(NAME).AffettiEncoder(device="cpu")
    sys.modules.pop(NAME, None)


def test_clips_become_the_embeddings_of_the_pipeline(encoder):
    time = np.arange(5 * 16_000) / 16_000
    clips = torch.from_numpy(
        np.stack([0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (220, 900)])
    ).float()
    (layer,) = encoder(clips)
    assert layer.shape == (2, 1, encoder.NUM_FEATURES)
    torch.testing.assert_close(layer.norm(dim=2), torch.ones(2, 1))
    assert not torch.allclose(layer[0], layer[1])
    torch.testing.assert_close(encoder(clips[:, None])[0], layer)
    patches = waveform_patches(clips[0].numpy())
    song = PreparedSong(patches, descriptors=describe(patches.segments))
    (alone,) = EmotionPipeline.from_pretrained().predict_prepared([song])
    np.testing.assert_allclose(layer[0, 0].numpy(), alone.fused_embedding, atol=1e-4)


def test_it_has_nothing_to_train_and_refuses_other_shapes(encoder):
    assert list(encoder.parameters()) == []
    with pytest.raises(ValueError, match=r"\(clips, samples\), not \(16000,\)"):
        encoder(torch.zeros(16_000))


def test_the_configuration_names_the_encoder_its_width_and_its_rate(encoder):
    config = yaml.safe_load((FOLDER / "probe.Affetti.EMO.yaml").read_text())
    model = config["model"]["init_args"]
    assert model["encoder"]["class_path"] == f"{NAME}.{type(encoder).__name__}"
    assert model["decoders"][0]["init_args"]["in_dim"] == encoder.NUM_FEATURES
    parts = [config["data"]["init_args"][part]["init_args"] for part in ("train", "val", "test")]
    assert {part["sample_rate"] for part in [model, *parts]} == {encoder.SAMPLING_RATE}
    assert len({part["jsonl"] for part in parts}) == 3
