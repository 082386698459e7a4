"""Figures by domain, with a left-out domain whose felt emotions were never calibrated."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mer.affect import GEMS, Quadrant
from mer.batches import AffettiConfig
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import by_domain
from mer.research.house.mixture import Plane
from mer.research.house.trainer import fit_statistics
from mer.research.house.validation import FoldNetwork
from mer.research.inputs.features import TrackFeatures

CONFIG = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8)
PLANE = Plane(
    words=((0.5, 0.2), (0.45, 0.1)),
    emobank=((0.5, 0.1), (0.5, 0.05)),
    deezer=((0.5, 0.2), (0.5, 0.2)),
)


def song(dataset: str, index: int) -> TrackFeatures:
    generator = torch.Generator().manual_seed(index)
    quadrant = tuple(Quadrant)[index % 4]
    labels = AffectLabels(quadrant=quadrant, valence=0.7 if index % 2 else 0.3, arousal=0.4)
    if dataset == "emotify":
        labels = AffectLabels(felt=tuple(torch.rand(len(GEMS), generator=generator).tolist()))
    audio = torch.randn(3, 6, generator=generator) + (dataset == "emotify") * 5
    track = Track(dataset, str(index), "train", labels, artist_group=f"{dataset}{index}")
    return TrackFeatures(track, audio=audio.half())


POPULAR = [song("panda4q", index) for index in range(24)]
FELT = [song("emotify", index) for index in range(60, 76)]


def network(config: AffettiConfig) -> AffettiNetwork:
    torch.manual_seed(3)
    made = AffettiNetwork(config)
    fit_statistics(made, POPULAR)
    return made.eval()


@pytest.mark.parametrize("blend", [0.0, 0.3])
def test_every_domain_has_figures_in_domain_and_left_out(blend: float) -> None:
    fold = FoldNetwork(network(replace(CONFIG, felt_blend=blend)), (*POPULAR, *FELT))
    # Without felt emotions in its training there is nothing to calibrate them with.
    left_out = {"four genres, felt": FoldNetwork(network(CONFIG), tuple(FELT))}
    report = by_domain.measure([fold], left_out, PLANE)
    assert set(report["in_domain"]) == {"popular music", "four genres, felt"}
    assert report["in_domain"]["popular music"]["quadrants"]["largest_class"] == 0.25
    felt = report["left_out"]["four genres, felt"]
    assert felt["songs"] == 16
    assert felt["novelty_auc"] == 1.0, "their audio lies five deviations away"
    assert set(GEMS) < set(felt["felt"])
    assert -1 <= felt["felt"]["mean of eight"] <= 1
    page = "\n".join(by_domain.markdown(report))
    assert "| four genres, felt | left out |" in page
    assert "mean of eight" in page
