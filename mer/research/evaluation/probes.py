"""Linear probes: logistic regression on the same frozen features.

A probe and the house network have the same features of the same songs. The difference of their
scores is the gain of the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mer.research.inputs.features import TrackFeatures

PENALTIES: Final = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Candidate inverse strengths of the L2 penalty."""


def pooled(examples: Sequence[TrackFeatures], modalities: Sequence[str]) -> NDArray[np.float64]:
    """One row per song: mean and deviation over audio patches, mean over text tokens.

    Parameters
    ----------
    examples : sequence of TrackFeatures
        Each with all of `modalities`.
    modalities : sequence of {'audio', 'lyrics', 'context'}

    Returns
    -------
    (songs, features) float64 ndarray
    """
    rows = []
    for example in examples:
        parts = []
        for name in modalities:
            states = getattr(example, name).double().numpy()
            parts.append(states.mean(axis=0))
            if name == "audio":
                parts.append(states.std(axis=0))
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def fit_and_predict(
    train: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: Sequence[str],
    test: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Classes of `test`, predicted by logistic regression on standardised features.

    Parameters
    ----------
    train, test : (songs, features) float ndarrays
    labels : (songs,) int ndarray
        Of `train`.
    groups : sequence of str
        Artists of `train`; the penalty is chosen by 5-fold cross-validation with disjoint artists.

    Returns
    -------
    (songs,) int ndarray
    """
    # scikit-learn is loaded only when a probe is fitted.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import GridSearchCV, GroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

    search = GridSearchCV(
        # The rotation onto the songs' span saves time; penalised regression is invariant to it.
        make_pipeline(StandardScaler(), PCA(), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": list(PENALTIES)},
        cv=GroupKFold(n_splits=5),
        scoring="accuracy",
    )
    # One thread: for such small problems, several BLAS threads are slower.
    with threadpool_limits(1):
        search.fit(train, labels, groups=np.asarray(groups))
    predicted: NDArray[np.int64] = search.predict(test)
    return predicted
