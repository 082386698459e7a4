"""Fixtures of the tests of `mer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer import metrics
from mer.encoders.musicnn import MusicnnEncoder
from mer.encoders.text import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@pytest.fixture(scope="session")
def musicnn() -> MusicnnEncoder:
    """Load the first MusiCNN once; tests do not change it."""
    return MusicnnEncoder.from_pretrained()


@pytest.fixture(scope="session")
def minilm() -> TextEncoder:
    """Load MiniLM once; tests do not change it."""
    return TextEncoder.from_pretrained()


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every bootstrap draw 20 times and repeat what it drew: fast, and p stays a share."""
    bootstrap = metrics._bootstrap

    def few(
        statistic: Callable[..., float],
        arrays: tuple[NDArray[np.generic], ...],
        resamples: int,
        seed: int,
    ) -> NDArray[np.float64]:
        return np.resize(bootstrap(statistic, arrays, 20, seed), resamples)

    monkeypatch.setattr(metrics, "_bootstrap", few)
