"""Calibration by set of modalities, and values borrowed from similar sets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mer.affect import QUADRANTS
from mer.batches import AffettiConfig
from mer.network import AffettiNetwork
from mer.prediction import MODALITIES
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house.calibration import SETS, _filled, calibrate
from mer.research.house.mixture import Plane, targets
from mer.research.house.validation import (
    FoldNetwork,
    out_of_fold,
    predict,
    recalibrated,
)
from mer.research.inputs.features import TrackFeatures

CONFIG = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8)
MOMENTS = ((0.5, 0.2), (0.5, 0.2))
PLANE = Plane(MOMENTS, MOMENTS, MOMENTS)
FACTORS = tuple(float(number) for number in range(1, 9))


def song(index: int, dataset: str = "panda4q") -> TrackFeatures:
    generator = torch.Generator().manual_seed(index)
    valence, arousal = torch.rand(2, generator=generator).tolist()
    labels = AffectLabels(
        quadrant=QUADRANTS[index % 4] if dataset == "panda4q" else None,
        cluster=index % 5 if dataset == "mirex" else None,
        valence=valence, arousal=arousal, emotions=(0.125,) * 8,
    )  # fmt: skip
    return TrackFeatures(
        Track(dataset, str(index), "train", labels, artist_group=f"artist{index}"),
        audio=torch.randn(3, 6, generator=generator),
        lyrics=torch.randn(2, 4, generator=generator) if dataset == "mirex" else None,
        context=torch.randn(2, 4, generator=generator),
    )


SONGS = [*(song(i) for i in range(40)), *(song(i, "mirex") for i in range(25))]


@pytest.fixture(scope="module")
def folds() -> list[FoldNetwork]:
    torch.manual_seed(0)
    networks = [AffettiNetwork(CONFIG).eval() for _ in range(2)]
    return [FoldNetwork(network, tuple(SONGS[i::2])) for i, network in enumerate(networks)]


@pytest.mark.parametrize(("number", "parts"), list(enumerate(SETS))[1:])
def test_what_is_known_of_a_song_chooses_its_factors(
    folds: list[FoldNetwork], number: int, parts: tuple[str, ...]
) -> None:
    config = replace(
        CONFIG,
        quadrant_temperatures=FACTORS,
        cluster_temperatures=FACTORS[::-1],
        spread_scales=tuple((factor, 1.0) for factor in FACTORS),
    )
    assert set(parts) <= set(MODALITIES)
    before = predict(folds[0].network, SONGS[-5:], parts)
    after = predict(recalibrated(folds[0].network, config), SONGS[-5:], parts)
    torch.testing.assert_close(
        after.quadrant_logits * FACTORS[number], before.quadrant_logits, msg=str(parts)
    )
    torch.testing.assert_close(after.cluster_logits * FACTORS[::-1][number], before.cluster_logits)
    ratio = after.affect_spread[:, 0] / after.affect_spread[:, 1]
    same = replace(config, spread_scales=CONFIG.spread_scales)
    unscaled = predict(recalibrated(folds[0].network, same), SONGS[-5:], parts).affect_spread
    torch.testing.assert_close(ratio, FACTORS[number] * unscaled[:, 0] / unscaled[:, 1])


@pytest.mark.parametrize("parts", [("audio",), ("audio", "lyrics"), MODALITIES])
def test_errors_in_units_of_their_spreads_have_a_mean_square_of_one(
    folds: list[FoldNetwork], parts: tuple[str, ...]
) -> None:
    config = calibrate(CONFIG, folds, PLANE)
    asked = [each for each in SONGS if all(getattr(each, part) is not None for part in parts)]
    calibrated = [replace(fold, network=recalibrated(fold.network, config)) for fold in folds]
    output = out_of_fold(calibrated, asked, parts)
    wanted = targets([each.track for each in asked], PLANE).affect
    squares = ((output.affect - wanted) / output.affect_spread) ** 2
    torch.testing.assert_close(squares.mean(dim=0), torch.ones(2), atol=1e-3, rtol=0)


def test_composed_pieces_alone_calibrate_the_open_checkpoint() -> None:
    pieces = []
    for index in range(40):
        labels = AffectLabels(
            quadrant=QUADRANTS[index % 4], valence=0.1 + 0.02 * index, arousal=0.9 - 0.02 * index
        )
        track = Track("composed", str(index), "train", labels, artist_group=str(index))
        pieces.append(replace(song(index), track=track, context=None))
    networks = [
        FoldNetwork(AffettiNetwork(CONFIG).eval(), tuple(pieces[:20])),
        FoldNetwork(AffettiNetwork(CONFIG).eval(), tuple(pieces[20:])),
    ]
    config = calibrate(CONFIG, networks, PLANE, networks)
    numbers = torch.tensor(
        [*config.affect_scale, *config.affect_shift, *config.interval_factors,
         *config.quadrant_temperatures, *config.kind_temperatures, *sum(config.spread_scales, ())]
    )  # fmt: skip
    assert numbers.isfinite().all()
    assert (config.emotion_temperature, config.felt_blend) == (1.0, 0.0)
    calibrated = [replace(fold, network=recalibrated(fold.network, config)) for fold in networks]
    output = out_of_fold(calibrated, pieces, ("audio",))
    wanted = targets([each.track for each in pieces], PLANE).affect
    squares = ((output.affect - wanted) / output.affect_spread) ** 2
    torch.testing.assert_close(squares.mean(dim=0), torch.ones(2), atol=1e-3, rtol=0)


def test_a_set_that_no_song_tells_about_is_lent_the_likest() -> None:
    # Quadrants are known by audio, context and both; lyrics are beside none of them.
    known = [None, 1.0, None, None, 4.0, 5.0, None, None]
    assert _filled(known, 0.5) == (1.0, 1.0, 1.0, 1.0, 4.0, 5.0, 4.0, 5.0)
    assert _filled([None] * 8, 0.5) == (0.5,) * 8
