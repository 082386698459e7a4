"""Calibration of the house network, fitted on songs that its networks were not trained on.

Within the training domains these are the held-out songs of cross-validation. How much the
confidence falls with the novelty of the audio is fitted on domains that were left out altogether.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import torch
import torch.nn.functional as F

from mer.affect import GEMS
from mer.prediction import MODALITIES
from mer.research.house.mixture import FELT_VALENCE, TASKS, targets
from mer.research.house.validation import out_of_fold, predict, recalibrated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.batches import AffettiConfig, AffettiOutput
    from mer.research.house.mixture import Plane
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

T = TypeVar("T")

PLACED_SETS: Final = ("panda4q", "mirex")
"""Sets whose labels by mood words fit slope, shift and spread of valence and arousal."""
COVERAGE: Final = 0.9
"""Share of songs whose true valence or arousal lies in the interval."""
_FELT_BLEND: Final = 0.3
"""Share of felt valence: the smallest with which valence correlates with listeners' joy by .45."""
_EDGE: Final = 0.95
"""Share of held-out songs of the training domains whose novelty is below one half."""
_SHIFTS: Final = (0.0, -0.5, -1.0, -1.5, -2.0, -3.0)
_HEATS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)


def calibrate(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    plane: Plane,
    left_out: Sequence[FoldNetwork] = (),
) -> AffettiConfig:
    """Fit everything in the configuration that is not a size.

    A temperature minimises the cross-entropy of its head. Each set of modalities has its own,
    because predictions from fewer modalities should be less confident; each kind of music has a
    factor. Regression shrinks valence and arousal of uncertain songs towards the mean; slope and
    shift before the sigmoid restore the labels' mean and deviation. Spreads are scaled so that
    errors, divided by them, have a mean square of 1. Intervals are split conformal: the quantile
    of errors, divided by their spreads.

    Parameters
    ----------
    config : AffettiConfig
        Of `networks`, without calibration.
    networks : sequence of FoldNetwork
        Of cross-validation.
    plane : Plane
    left_out : sequence of FoldNetwork
        Each trained without the domain of its held-out songs. Without any, novelty does not lower
        the confidence.

    Returns
    -------
    AffettiConfig
    """
    songs = [song for fold in networks for song in fold.held_out]
    config = _with_context(config, networks, songs, plane)
    networks = _updated(networks, config)
    config = _with_felt(config, networks, songs)
    networks = _updated(networks, config)
    config = _with_places(config, networks, songs, plane)
    config = _with_heat(config, networks, left_out, plane)
    networks = _updated(networks, config)
    fitted = [_temperatures(networks, songs, plane, parts) for parts in SETS]
    config = replace(
        config,
        quadrant_temperatures=_filled([quadrant for quadrant, _ in fitted], 1.0),
        cluster_temperatures=_filled([cluster for _, cluster in fitted], 1.0),
    )
    networks = _updated(networks, config)
    config = _with_kinds(config, networks, songs, plane)
    networks = _updated(networks, config)
    spreads = [_spread_scale(networks, songs, plane, parts) for parts in SETS]
    config = replace(config, spread_scales=_filled(spreads, (1.0, 1.0)))
    return _with_intervals(config, _updated(networks, config), songs, plane)


def _updated(networks: Sequence[FoldNetwork], config: AffettiConfig) -> list[FoldNetwork]:
    return [replace(fold, network=recalibrated(fold.network, config)) for fold in networks]


def _with_context(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
) -> AffettiConfig:
    """Choose the shift of the context's weight with the least cross-entropy from all inputs.

    A gate gives the titles and artists of training songs more weight than those of other songs
    deserve. Both tasks count alike, each at its best temperature.
    """
    told = _having(songs, ("audio", "context"))
    if len(told) < _FEWEST:
        return config
    wanted = targets([song.track for song in told], plane)
    classed = wanted.weights[:, TASKS.index("quadrant")] > 0
    clustered = wanted.weights[:, TASKS.index("cluster")] > 0

    def error(shift: float) -> float:
        shifted = _updated(networks, replace(config, context_shift=shift))
        output = out_of_fold(shifted, told)
        return sum(
            float(
                F.cross_entropy(logits[rows] / _temperature(logits[rows], truth[rows]), truth[rows])
            )
            for logits, truth, rows in (
                (output.quadrant_logits, wanted.quadrant, classed),
                (output.cluster_logits, wanted.cluster, clustered),
            )
            if int(rows.sum()) >= _FEWEST
        )

    return replace(config, context_shift=min(_SHIFTS, key=error))


def _with_felt(
    config: AffettiConfig, networks: Sequence[FoldNetwork], songs: Sequence[TrackFeatures]
) -> AffettiConfig:
    """Fit the slopes and shifts of the felt shares, and the weights of felt valence."""
    rated = [s for s in songs if s.track.labels.felt is not None and s.audio is not None]
    if len(rated) < _FEWEST:
        return config
    plain = _updated(networks, config)
    logits = out_of_fold(plain, rated, ("audio",)).gems_logits
    shares = torch.tensor([song.track.labels.felt for song in rated])
    pairs = [_logistic_line(x, y) for x, y in zip(logits.T, shares.T, strict=True)]
    crosswalk = torch.tensor([FELT_VALENCE.get(name, 0.0) for name in GEMS])
    weights = crosswalk / logits.std(dim=0).clamp(min=1e-3)
    everything = out_of_fold(plain, _having(songs, ("audio",)), ("audio",))
    felt, valence = everything.gems_logits @ weights, everything.affect[:, 0].logit()
    weights = weights * valence.std() / felt.std().clamp(min=1e-3)
    shift = valence.mean() - (everything.gems_logits @ weights).mean()
    return replace(
        config,
        felt_blend=_FELT_BLEND,
        felt_scale=tuple(slope for slope, _ in pairs),
        felt_shift=tuple(shift for _, shift in pairs),
        felt_valence=(*weights.tolist(), float(shift)),
    )


def _logistic_line(logits: Tensor, shares: Tensor) -> tuple[float, float]:
    """Slope and shift of `logits` (songs,) that minimise the cross-entropy with `shares`."""
    line = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        error = F.binary_cross_entropy_with_logits(logits * line[0] + line[1], shares)
        error.backward()  # type: ignore[no-untyped-call]
        return error

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    slope, shift = line.tolist()
    return slope, shift


def _with_places(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
) -> AffettiConfig:
    """Fit slope and shift of valence and arousal, and the temperature of the emotions."""
    output = out_of_fold(networks, songs)
    wanted = targets([song.track for song in songs], plane)
    placed = {id(song) for song in _placed(songs, ("panda4q",))}
    clips = torch.tensor([id(song) in placed for song in songs])
    predicted, true = output.affect[clips].logit(), wanted.affect[clips].logit()
    scale = true.std(dim=0) / predicted.std(dim=0)
    shift = true.mean(dim=0) - scale * predicted.mean(dim=0)
    has_emotions = wanted.weights[:, TASKS.index("emotions")] > 0
    return replace(
        config,
        emotion_temperature=_fitted(output.emotion_logits, wanted.emotions, has_emotions) or 1.0,
        affect_scale=_pair(scale),
        affect_shift=_pair(shift),
    )


def _with_kinds(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
) -> AffettiConfig:
    """Fit the temperature factor of each kind of music, and the edge of the training songs."""
    sounding = _having(songs, ("audio",))
    output = out_of_fold(networks, sounding, ("audio",))
    wanted = targets([song.track for song in sounding], plane)
    known = wanted.weights[:, TASKS.index("quadrant")] > 0
    of_kind = output.kinds.argmax(dim=1)
    factors = [
        _fitted(output.quadrant_logits, wanted.quadrant, known & (of_kind == kind)) or 1.0
        for kind in range(len(config.kinds))
    ]
    novelty = _deviations(output, config)
    edge = float(novelty.quantile(_EDGE))
    return replace(
        config,
        kind_temperatures=tuple(factors),
        novelty_edge=edge,
        novelty_width=max(0.1, (edge - float(novelty.median())) / 2),
    )


def _deviations(output: AffettiOutput, config: AffettiConfig) -> Tensor:
    """Novelty (songs,) of `output` in deviations of training songs."""
    scaled = output.novelty[:, 0].double().logit(eps=1e-9).float()
    return config.novelty_edge + config.novelty_width * scaled


def _with_heat(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    left_out: Sequence[FoldNetwork],
    plane: Plane,
) -> AffettiConfig:
    """Choose the rise of the temperature that gives left-out domains the least cross-entropy.

    For every rise the temperature of the audio is fitted within the training domains.
    """
    if not left_out:
        return config
    clips = [song for fold in networks for song in fold.held_out if _is_classed(song)]
    within = _uncalibrated(out_of_fold(networks, clips, ("audio",)), clips, config, plane)
    beyond = []
    for domain in left_out:
        if held := [song for song in domain.held_out if _is_classed(song)]:
            network = recalibrated(domain.network, config)
            output = predict(network, held, ("audio",))
            beyond.append(_uncalibrated(output, held, config, plane))

    def error(heat: float) -> float:
        temperature = _temperature(within.cooled(heat), within.wanted)
        return sum(
            float(F.cross_entropy(domain.cooled(heat) / temperature, domain.wanted))
            for domain in beyond
        )

    return replace(config, novelty_heat=min(_HEATS, key=error)) if beyond else config


class _Classed(NamedTuple):
    """Quadrant logits (songs, 4) without temperature, novelty (songs,) and wanted quadrants."""

    logits: Tensor
    novelty: Tensor
    wanted: Tensor

    def cooled(self, heat: float) -> Tensor:
        """Logits, divided by the temperature of the novelty."""
        return self.logits / (1 + heat * torch.relu(self.novelty))[:, None]


def _uncalibrated(
    output: AffettiOutput, songs: Sequence[TrackFeatures], config: AffettiConfig, plane: Plane
) -> _Classed:
    wanted = targets([song.track for song in songs], plane).quadrant
    return _Classed(output.quadrant_logits, _deviations(output, config), wanted)


def _is_classed(song: TrackFeatures) -> bool:
    return song.track.labels.quadrant is not None and song.audio is not None


def _with_intervals(
    config: AffettiConfig,
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
) -> AffettiConfig:
    placed = _placed(songs)
    if len(placed) < _FEWEST:
        return config
    output = out_of_fold(networks, placed)
    wanted = targets([song.track for song in placed], plane)
    known = wanted.weights[:, TASKS.index("valence")] > 0
    errors = ((output.affect - wanted.affect).abs() / output.affect_spread)[known]
    # The quantile of split conformal prediction, corrected for the finite number of songs.
    level = min(1.0, COVERAGE * (1 + 1 / len(errors)))
    return replace(config, interval_factors=_pair(errors.quantile(level, dim=0)))


SETS: Final = tuple(
    tuple(name for bit, name in enumerate(MODALITIES) if number >> bit & 1) for number in range(8)
)
"""Sets of modalities, in the order of `AffettiConfig`; the first is empty."""
_FEWEST: Final = 20


def _placed(
    songs: Sequence[TrackFeatures], sets: Sequence[str] = PLACED_SETS
) -> list[TrackFeatures]:
    """Songs of `sets`; all songs where none is of them, as for the open checkpoint."""
    return [song for song in songs if song.track.dataset in sets] or list(songs)


def _having(songs: Sequence[TrackFeatures], parts: Sequence[str]) -> list[TrackFeatures]:
    return [s for s in songs if parts and all(getattr(s, part) is not None for part in parts)]


def _temperatures(
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
    parts: tuple[str, ...],
) -> tuple[float | None, float | None]:
    """Temperatures of quadrants and clusters for the inputs `parts`; None with too few songs.

    Other sets than `PLACED_SETS` have factors of their own, by kind of music.
    """
    songs = _having(_placed(songs), parts)
    if not songs:
        return None, None
    output = out_of_fold(networks, songs, parts)
    wanted = targets([song.track for song in songs], plane)
    quadrant, cluster = (wanted.weights[:, TASKS.index(t)] > 0 for t in ("quadrant", "cluster"))
    return (
        _fitted(output.quadrant_logits, wanted.quadrant, quadrant),
        _fitted(output.cluster_logits, wanted.cluster, cluster),
    )


def _spread_scale(
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
    parts: tuple[str, ...],
) -> tuple[float, float] | None:
    songs = _having(_placed(songs), parts)
    if len(songs) < _FEWEST:
        return None
    output = out_of_fold(networks, songs, parts)
    wanted = targets([song.track for song in songs], plane)
    known = wanted.weights[:, TASKS.index("valence")] > 0
    errors = ((output.affect - wanted.affect) / output.affect_spread)[known]
    return _pair((errors**2).mean(dim=0).sqrt())


def _fitted(logits: Tensor, wanted: Tensor, rows: Tensor) -> float | None:
    return _temperature(logits[rows], wanted[rows]) if int(rows.sum()) >= _FEWEST else None


def _filled(by_set: Sequence[T | None], otherwise: T) -> tuple[T, ...]:
    """Replace the missing value of a set of modalities by that of the most similar set."""
    known = {number: found for number, found in enumerate(by_set) if found is not None}

    def nearest(number: int) -> T:
        most_similar = sorted(known, key=lambda other: ((other ^ number).bit_count(), other))
        return known[most_similar[0]] if most_similar else otherwise

    return tuple(nearest(number) for number in range(len(by_set)))


def _pair(both: Tensor) -> tuple[float, float]:
    valence, arousal = both.tolist()
    return valence, arousal


def _temperature(logits: Tensor, wanted: Tensor) -> float:
    """Minimise the cross-entropy over a fine grid."""
    grid = [math.exp(step / 50) for step in range(-100, 101)]  # 0.14 to 7.4
    return min(grid, key=lambda t: float(F.cross_entropy(logits / t, wanted)))
