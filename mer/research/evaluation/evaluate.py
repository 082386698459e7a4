"""``python -m mer.research evaluate``: all figures of docs/results/house-model.md.

Cross-validated figures use the training and validation splits, in folds with disjoint artists. Test
figures use networks trained on both splits with several seeds. Linear probes are fitted on the same
features of the same songs.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.batches import AffettiConfig
from mer.errors import PackageMissingError
from mer.metrics import bootstrap_ci, pearson, spearman
from mer.research.datasets import panda4q
from mer.research.evaluation import breakdown, by_domain, neighbours, reliability, rivals
from mer.research.evaluation.neighbours import mfcc_statistics, musicnn_embeddings
from mer.research.evaluation.probes import fit_and_predict, pooled
from mer.research.evaluation.report import markdown
from mer.research.evaluation.tasks import TASKS, compare, predict_task, scores
from mer.research.files import finite, write_json, write_page
from mer.research.house.calibration import calibrate
from mer.research.house.trainer import Recipe
from mer.research.house.training import Material, add_data_arguments, text_start, train_final
from mer.research.house.validation import (
    FoldNetwork,
    cross_validate,
    fold_of,
    leave_domains_out,
    out_of_fold,
    predict,
    recalibrated,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.network import AffettiNetwork
    from mer.research.evaluation.tasks import Classes, Predictions, TaskPredictions
    from mer.research.house.mixture import Plane
    from mer.research.inputs.features import TrackFeatures

    Parts = dict[str, dict[str, TaskPredictions]]

SEEDS: Final = (0, 1, 2, 3, 4)
PICTURE: Final = "house-model-reliability.png"


def measure(
    predictions: TaskPredictions, probe: Callable[[Sequence[str]], Classes]
) -> dict[str, Any]:
    """Scores of networks, probes and the largest class on the same songs, and their comparisons."""
    task, labels = predictions.task, predictions.labels
    predicted = {inputs: output.predicted for inputs, output in predictions.by_inputs.items()}
    probes = {"+".join(parts): probe(parts) for parts in task.modalities}
    majority = np.full((len(labels), 1), np.bincount(labels).argmax())
    everything = predicted[task.all_inputs]
    return {
        "majority": scores(labels, majority, task.classes),
        "network": {
            inputs: _scored(predictions, output) for inputs, output in predictions.by_inputs.items()
        },
        "probe": {name: scores(labels, classes, task.classes) for name, classes in probes.items()},
        "all_against_audio": compare(labels, everything, predicted["audio"], task.classes),
        "network_against_probe": {
            name: compare(labels, predicted[name], probes[name], task.classes) for name in predicted
        },
    }


def _scored(predictions: TaskPredictions, output: Predictions) -> dict[str, Any]:
    figures = {
        **scores(predictions.labels, output.predicted, predictions.task.classes),
        "gates": output.gates.mean(axis=(0, 1)).tolist(),
    }
    return figures | (
        _sides(predictions.labels, output.predicted) if predictions.task.name == "quadrant" else {}
    )


def _sides(labels: Classes, predicted: Classes) -> dict[str, float]:
    """Accuracy on each axis: Q1 and Q4 have high valence, Q1 and Q2 high arousal."""
    return {
        name: float(np.mean(np.isin(labels, high)[:, None] == np.isin(predicted, high)))
        for name, high in (("valence_side", (0, 3)), ("arousal_side", (0, 1)))
    }


def probe_cross_validated(predictions: TaskPredictions, modalities: Sequence[str]) -> Classes:
    """Classes (songs, 1) predicted by probes on the folds of the networks' cross-validation."""
    features, labels = pooled(predictions.songs, modalities), predictions.labels
    groups = np.array([f"{song.track.artist_group}" for song in predictions.songs])
    folds = np.array([fold_of(group) for group in groups])
    predicted = np.zeros_like(labels)
    for fold in np.unique(folds):
        held = folds == fold
        predicted[held] = fit_and_predict(
            features[~held], labels[~held], groups[~held].tolist(), features[held]
        )
    return predicted[:, None]


def probe_tested(
    known: TaskPredictions, predictions: TaskPredictions, modalities: Sequence[str]
) -> Classes:
    """Classes (songs, 1) predicted by a probe that is fitted on `known`."""
    groups = [f"{song.track.artist_group}" for song in known.songs]
    return fit_and_predict(
        pooled(known.songs, modalities), known.labels, groups, pooled(predictions.songs, modalities)
    )[:, None]


def measure_texts(
    networks: Sequence[AffettiNetwork], examples: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Correlations on held-out words (Spearman) and on EmoBank's test sentences (Pearson).

    Words that are a label of any of `examples` are left out.
    """
    known = {word for e in examples for word in e.track.labels.mood_words}
    result: dict[str, Any] = {}
    for dataset, measure_, name in (
        ("warriner", spearman, "spearman"),
        ("emobank", pearson, "pearson"),
    ):
        tests = [
            example
            for example in examples
            if example.track.dataset == dataset
            and example.track.split == "test"
            and example.track.track_id not in known
        ]
        outputs = [predict(network, tests).affect.double().numpy() for network in networks]
        for axis, quantity in enumerate(("valence", "arousal")):
            rated = np.array([getattr(test.track.labels, quantity) for test in tests])
            estimated = np.stack([output[:, axis] for output in outputs], axis=1)

            def agreement(
                target: NDArray[np.float64],
                predicted: NDArray[np.float64],
                measure_: Callable[..., float] = measure_,
            ) -> float:
                return float(np.mean([measure_(target, column) for column in predicted.T]))

            interval = bootstrap_ci(agreement, rated, estimated)
            result[f"{dataset}_{quantity}_{name}"] = {"texts": len(tests), **asdict(interval)}
    return result


def measure_neighbours(
    networks: Sequence[AffettiNetwork], tests: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Precision of the nearest neighbours among the test clips of panda4q."""
    songs = TASKS[0].songs(tests)
    fused = {
        f"fused, {' and '.join(inputs)}": [
            predict(network, songs, inputs).fused_embedding.double().numpy() for network in networks
        ]
        for inputs in (("audio",), ("audio", "context"))
    }
    paths = [song.track.audio_path for song in songs if song.track.audio_path is not None]
    rivals = {"MusiCNN": musicnn_embeddings(songs), "MFCC statistics": mfcc_statistics(paths)}
    return neighbours.measure(fused, rivals, TASKS[0].labels(songs))


def calibrated_folds(
    config: AffettiConfig,
    folds: Sequence[FoldNetwork],
    plane: Plane,
    left_out: Sequence[FoldNetwork] = (),
) -> list[FoldNetwork]:
    """Networks of all folds, each calibrated on the songs of the other folds."""
    return [
        FoldNetwork(
            recalibrated(
                fold.network,
                calibrate(config, [*folds[:index], *folds[index + 1 :]], plane, left_out),
            ),
            fold.held_out,
        )
        for index, fold in enumerate(folds)
    ]


def calibrated_domains(
    config: AffettiConfig,
    folds: Sequence[FoldNetwork],
    plane: Plane,
    left_out: Mapping[str, FoldNetwork],
) -> dict[str, FoldNetwork]:
    """Networks without a domain, each calibrated without the songs of that domain."""
    calibrated = {}
    for name, domain in left_out.items():
        sets = {song.track.dataset for song in domain.held_out}
        known = [
            FoldNetwork(
                fold.network, tuple(s for s in fold.held_out if s.track.dataset not in sets)
            )
            for fold in folds
        ]
        others = [other for key, other in left_out.items() if key != name]
        # Places and temperatures of popular music have no substitute.
        fitted = folds if "panda4q" in sets else known
        network = recalibrated(domain.network, calibrate(config, fitted, plane, others))
        calibrated[name] = FoldNetwork(network, domain.held_out)
    return calibrated


def held_out_folds(args: argparse.Namespace) -> tuple[Material, list[FoldNetwork]]:
    """Cross-validate as ``python -m mer.research train`` does, or read the kept networks.

    Parameters
    ----------
    args : Namespace
        Of `mer.research.house.training.add_data_arguments`.

    Returns
    -------
    material : Material
    folds : list of FoldNetwork
        Calibrated.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    recipe, config = Recipe(), AffettiConfig()
    material = Material.load(args.data, args.cache, args.work)
    start = text_start(recipe, config, material, args.work)
    shared = (recipe, config, material.development, material.plane, args.work)
    folds = cross_validate(*shared, start=start)
    return material, calibrated_folds(config, folds, material.plane)


def train_all(
    recipe: Recipe, config: AffettiConfig, material: Material, folder: Path
) -> tuple[list[FoldNetwork], dict[str, FoldNetwork], list[AffettiNetwork]]:
    """Train or read the networks of all folds, domains and `SEEDS`, and calibrate them."""
    start = text_start(recipe, config, material, folder)
    plane = material.plane
    shared = (recipe, config, material.development, plane, folder)
    folds = cross_validate(*shared, start=start)
    left_out = leave_domains_out(*shared, start=start)
    without = list(left_out.values())
    calibrated = calibrate(config, folds, plane, without)
    networks = [
        recalibrated(
            train_final(replace(recipe, seed=seed), config, material, folder / "final", start),
            calibrated,
        )
        for seed in SEEDS
    ]
    return (
        calibrated_folds(config, folds, plane, without),
        calibrated_domains(config, folds, plane, left_out),
        networks,
    )


def predict_all(
    folds: Sequence[FoldNetwork],
    networks: Sequence[AffettiNetwork],
    development: Sequence[TrackFeatures],
    tests: Sequence[TrackFeatures],
) -> Parts:
    """Predict all tasks out of fold and on the test split, by part and by the task's name."""
    predictors = [partial(predict, network) for network in networks]
    return {
        "cross_validation": {
            task.name: predict_task(task, development, [partial(out_of_fold, folds)])
            for task in TASKS
        },
        "test": {task.name: predict_task(task, tests, predictors) for task in TASKS},
    }


def keep_predictions(path: Path, parts: Parts) -> None:
    """Write the predictions of each network for each song, out of fold and of the test split.

    Arrays are (networks, songs, classes), or (networks, songs, 2) for valence and arousal.
    """
    kept = {
        part: {
            name: {
                "songs": [song.track.track_id for song in predictions.songs],
                "labels": predictions.labels.tolist(),
                "given": {
                    inputs: {
                        "probabilities": output.probabilities.swapaxes(0, 1).round(5).tolist(),
                        "affect": output.affect.swapaxes(0, 1).round(5).tolist(),
                        "spread": output.spread.swapaxes(0, 1).round(5).tolist(),
                    }
                    for inputs, output in predictions.by_inputs.items()
                },
            }
            for name, predictions in tasks.items()
        }
        for part, tasks in parts.items()
    }
    write_json(path, {"seeds": list(SEEDS), **kept})


def sections(
    parts: Parts,
    networks: Sequence[AffettiNetwork],
    material: Material,
    genres: Mapping[str, Mapping[str, Sequence[str]]],
    others: Mapping[str, Mapping[str, Classes]],
) -> dict[str, Callable[[], Any]]:
    """Functions that compute the sections of the report, in their order.

    Parameters
    ----------
    parts : mapping
        From `predict_all`.
    networks : sequence of AffettiNetwork
        Of the test split.
    material : Material
    genres : mapping of data set to mapping of track id to sequence of str
    others : mapping
        From `mer.research.evaluation.rivals.read_all`.
    """
    folds, tested = parts["cross_validation"], parts["test"]
    tests = [example for example in material.examples if example.track.split == "test"]
    return {
        "cross_validation": lambda: {
            name: measure(predictions, partial(probe_cross_validated, predictions))
            for name, predictions in folds.items()
        },
        "test": lambda: {
            name: measure(predictions, partial(probe_tested, folds[name], predictions))
            for name, predictions in tested.items()
        },
        "rivals": lambda: {
            name: rivals.measure(tested[name], found) for name, found in others.items() if found
        },
        "details": lambda: {
            part: {
                name: breakdown.measure(
                    predictions, material.plane, genres.get(predictions.task.dataset)
                )
                for name, predictions in tasks.items()
            }
            for part, tasks in parts.items()
        },
        "text": partial(measure_texts, networks, material.examples),
        "neighbours": partial(measure_neighbours, networks, tests),
        "cost": lambda: breakdown.cost(networks[0], tested["cluster"].songs),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research evaluate``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--rivals",
        type=Path,
        default=Path("var/compare"),
        metavar="DIR",
        help="per-song predictions that `compare --split test` kept; the house network is compared "
        "with each of them (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        metavar="DIR",
        help="where house-model.md, .json and the plot go (default: %(default)s)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        default=Path("var/house-model-predictions.json"),
        metavar="FILE",
        help="where per-song predictions go (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Cross-validate, train with five seeds, predict the test split, and write the report."""
    if args.threads:
        torch.set_num_threads(args.threads)
    material = Material.load(args.data, args.cache, args.work)
    tests = [example for example in material.examples if example.track.split == "test"]
    # Both are read before the training, so that a wrong file costs no hour of computing.
    others = rivals.read_all(args.rivals, tests)
    for name, found in others.items():
        if not found:
            print(f"no rivals in {name}: {args.rivals} holds no predictions")  # noqa: T201
    genres = {"panda4q": panda4q.genres(args.data)}
    recipe, config = Recipe(), AffettiConfig()
    folds, left_out, networks = train_all(recipe, config, material, args.work)
    parts = predict_all(folds, networks, material.development, tests)
    keep_predictions(args.predictions, parts)
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "calibration": asdict(networks[0].config),
        "seeds": list(SEEDS),
    }
    report["domains"] = finite(by_domain.measure(folds, left_out, material.plane))
    for name, section in sections(parts, networks, material, genres, others).items():
        report[name] = finite(section())
        # Finished sections are kept if a later one fails.
        write_json(args.out / "house-model.json", report, indent=1)
    _write_page(args.out, report)
    return 0


def _write_page(folder: Path, report: dict[str, Any]) -> None:
    picture = PICTURE if _draw(folder / PICTURE, report) else None
    write_page(folder / "house-model.md", markdown(report, picture=picture))


def _draw(path: Path, report: dict[str, Any]) -> bool:
    """Draw the reliability diagrams; return False if Matplotlib is not installed."""
    rows = {
        f"{name}, {part.replace('_', ' ')}": figures["reliability"]
        for part, tasks in report["details"].items()
        for name, figures in tasks.items()
    }
    try:
        reliability.plot(rows, path)
    except PackageMissingError as error:
        print(f"{path.name} is not drawn: {error}")  # noqa: T201
        return False
    return True
