"""Robustness: conditions are predicted, compared with clean songs, and written."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mer.affect import QUADRANTS
from mer.batches import AffettiConfig, AffettiOutput
from mer.network import AffettiNetwork
from mer.research import cli
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import robustness
from mer.research.evaluation.robustness import measure, report
from mer.research.files import NOTES
from mer.research.house.validation import FoldNetwork
from mer.research.inputs.distortions import Distortion
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8)


def as_it_is(waveform: Any, seed: int) -> Any:
    return waveform


HARMLESS, RUINOUS = Distortion("harmless", as_it_is), Distortion("ruinous", as_it_is)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, few_draws: None) -> None:
    named = {distortion.name: distortion for distortion in (HARMLESS, RUINOUS)}
    monkeypatch.setattr(robustness, "DISTORTIONS", named)


def song(index: int, dataset: str = "panda4q", *, has_lyrics: bool = False) -> TrackFeatures:
    labels = AffectLabels(quadrant=tuple(QUADRANTS)[index % 4], cluster=index % 4)
    audio = torch.full((3, 6), 0.0)
    audio[:, index % 4] = 1
    text = torch.full((2, 4), float(index))
    track = Track(dataset, str(index), "train", labels, artist_group=f"{dataset}{index}")
    return TrackFeatures(track, audio, text if has_lyrics else None, text)


SONGS = [
    *(song(index) for index in range(24)),
    *(song(index, "mirex", has_lyrics=index != 3) for index in range(13)),
]


def predictor(songs: Sequence[TrackFeatures], modalities: Sequence[str]) -> AffettiOutput:
    """Hear the loudest column."""
    heard = torch.stack([s.audio.mean(dim=0) for s in songs if s.audio is not None])
    count = len(heard)
    alone = len(modalities) == 1
    return AffettiOutput(
        fused_embedding=torch.zeros(count, 256),
        quadrant_logits=5 * heard[:, :4],
        cluster_logits=5 * heard[:, :5],
        affect=torch.stack([0.5 + 0.25 * heard[:, 4], 0.5 - 0.5 * heard[:, 4]], dim=1),
        affect_spread=torch.ones(count, 2),
        emotion_logits=torch.zeros(count, 8),
        gems_logits=torch.zeros(count, 9),
        gates=torch.tensor([[1.0, 0.0, 0.0]] if alone else [[0.6, 0.0, 0.4]]).repeat(count, 1)
        - 0.2 * heard[:, 4:5] * torch.tensor([1.0, 0.0, -1.0]),
        **dict.fromkeys(("felt", "kinds", "novelty", "intervals"), torch.zeros(count, 0)),
    )


def distort(songs: Sequence[TrackFeatures], distortion: Distortion) -> list[TrackFeatures]:
    if distortion is HARMLESS:
        return list(songs)
    changed = []
    for each in songs:
        assert each.audio is not None
        audio = each.audio.roll(1, dims=1)
        audio[:, 0] = audio[:, 4]
        audio[:, 4] = 1
        changed.append(replace(each, audio=audio))
    return changed


def test_conditions_are_compared_with_the_same_songs() -> None:
    found = measure(predictor, SONGS, distort, 0)
    assert found["quadrant"]["songs"] == 24
    assert found["cluster"]["songs"] == 12  # those with lyrics
    assert list(found["quadrant"]["given"]) == ["audio", "audio+context"]
    assert list(found["cluster"]["given"]) == ["audio", "audio+lyrics", "audio+lyrics+context"]
    both = found["quadrant"]["given"]["audio+context"]
    assert list(both) == ["clean", "harmless", "ruinous"]
    assert both["clean"]["accuracy"]["estimate"] == 1
    assert both["harmless"]["accuracy"]["estimate"] == 1
    assert both["harmless"]["valence_shift"]["estimate"] == 0
    assert both["harmless"]["less_clean"]["ece"]["difference"] == {
        "estimate": 0, "low": 0, "high": 0,
    }  # fmt: skip
    worse = both["ruinous"]
    assert worse["accuracy"]["estimate"] == 0
    assert worse["less_clean"]["accuracy"]["difference"]["high"] == -1
    assert worse["less_clean"]["macro_f1"]["difference"]["estimate"] == -1
    assert worse["valence_shift"]["estimate"] == pytest.approx(0.25)
    assert worse["arousal_shift"]["estimate"] == pytest.approx(0.5)
    assert both["clean"]["audio_gate"]["estimate"] == pytest.approx(0.6)
    assert worse["less_clean"]["audio_gate"]["difference"]["estimate"] == pytest.approx(-0.2)
    sure = torch.tensor([5.0, 0, 0, 0]).softmax(dim=0)[0].item()
    assert both["clean"]["ece"]["estimate"] == pytest.approx(1 - sure, abs=1e-6)
    assert worse["ece"]["estimate"] > 0.9


def test_songs_are_drawn_by_hash_and_stay_the_same() -> None:
    predictions: list[list[str]] = []

    def noted(songs: Sequence[TrackFeatures], modalities: Sequence[str]) -> AffettiOutput:
        predictions.append([each.track.track_id for each in songs])
        return predictor(songs, modalities)

    assert measure(noted, SONGS, distort, 5)["quadrant"]["songs"] == 5
    assert measure(noted, SONGS[::-1], distort, 5)["cluster"]["songs"] == 5
    assert len({tuple(ids) for ids in predictions}) == 2  # one draw a task
    assert predictions[0] != [str(index) for index in range(5)]


def test_page_has_a_table_for_each_question_and_modalities() -> None:
    page = report(
        measure(predictor, SONGS, distort, 0), "python -m mer.research robustness --data D"
    )
    assert "$ python -m mer.research robustness --data D\n" in page
    assert "24 of panda4q and 12 of mirex" in page
    assert page.count("\n## ") == 5
    alone, both = (
        page.partition(f"24 songs: {given}\n")[2].partition("\n## ")[0]
        for given in ("audio", "audio + context")
    )
    assert "| clean | 1.000 [1.000, 1.000] |  |" in alone
    assert "| ruinous | .000 [.000, .000] | -1.000 [-1.000, -1.000] |" in alone
    assert "Audio gate" not in alone  # nothing to weigh it against
    assert "| .400 [.400, .400] | -.200 [-.200, -.200] |" in both


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[Distortion]:
    """Untrained networks in place of those of the cross-validation; what is computed of songs."""
    torch.manual_seed(0)
    network = AffettiNetwork(CONFIG).eval()
    folds = [FoldNetwork(network, tuple(SONGS[i::2])) for i in range(2)]
    by_track = {(s.track.dataset, s.track.track_id): s for s in SONGS}
    computed: list[Distortion] = []

    class Cache:
        def __init__(self, folder: Path, *, is_wide: bool, adapter: object) -> None:
            assert is_wide
            assert adapter is material.adapter

        def features(
            self, tracks: Sequence[Track], distortion: Distortion
        ) -> Sequence[TrackFeatures]:
            computed.append(distortion)
            return distort([by_track[t.dataset, t.track_id] for t in tracks], distortion)

    material = SimpleNamespace(adapter={"layer": None})
    monkeypatch.setattr(robustness, "held_out_folds", lambda args: (material, folds))
    monkeypatch.setattr(robustness, "FeatureCache", Cache)
    return computed


def test_command_writes_page_numbers_and_plot_and_keeps_notes(
    tmp_path: Path, networks: list[Distortion], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "robustness.md").write_text(f"Yesterday.\n\n{NOTES}\n\nBy hand.\n")
    arguments = ["robustness", "--data", "D", "--songs", "6", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    page = (tmp_path / "robustness.md").read_text()
    assert page.endswith(f"{NOTES}\n\nBy hand.\n")
    assert "Yesterday" not in page
    assert page in capsys.readouterr().out
    found = json.loads((tmp_path / "robustness.json").read_text())
    assert found["quadrant"]["songs"] == found["cluster"]["songs"] == 6
    assert found["quadrant"]["given"]["audio"]["ruinous"]["valence_shift"]["estimate"] > 0
    assert (tmp_path / "robustness.png").stat().st_size > 1000
    assert networks == [HARMLESS, RUINOUS] * 2
    assert np.isfinite(found["cluster"]["given"]["audio"]["clean"]["ece"]["estimate"])
