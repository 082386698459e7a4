"""``python -m mer.research evaluate``: every figure of docs/results/house-model.md, from one command.

Cross-validated figures come from the training and validation splits, dealt to folds by artist;
test figures from networks trained on both of those with several seeds. Linear probes see the same
features of the same songs.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.errors import PackageMissingError
from mer.metrics import bootstrap_ci, pearson, spearman
from mer.network import AffettiConfig, AffettiNetwork
from mer.research.datasets import panda4q
from mer.research.evaluation import breakdown, neighbours, reliability, rivals
from mer.research.evaluation.neighbours import mfcc_statistics, musicnn_embeddings
from mer.research.evaluation.probes import fit_and_predict, pooled
from mer.research.evaluation.questions import QUESTIONS, ask, compare, scores
from mer.research.evaluation.report import markdown
from mer.research.files import finite, write_json, write_page
from mer.research.house.trainer import Recipe
from mer.research.house.training import Material, add_data_arguments, train_final
from mer.research.house.validation import (
    FoldNetwork,
    calibrate,
    cross_validate,
    fold_of,
    out_of_fold,
    predict,
    recalibrated,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.evaluation.questions import Asked, Classes, Said
    from mer.research.house.mixture import Plane
    from mer.research.inputs.features import TrackFeatures

    Parts = dict[str, dict[str, Asked]]

SEEDS: Final = (0, 1, 2, 3, 4)
PICTURE: Final = "house-model-reliability.png"


def measure(asked: Asked, probe: Callable[[Sequence[str]], Classes]) -> dict[str, Any]:
    """Networks, probes and the majority on the same songs, and the comparisons that matter."""
    question, labels = asked.question, asked.labels
    answers = {given: said.answers for given, said in asked.said.items()}
    probes = {"+".join(parts): probe(parts) for parts in question.modalities}
    majority = np.full((len(labels), 1), np.bincount(labels).argmax())
    everything = answers[question.everything]
    return {
        "majority": scores(labels, majority, question.classes),
        "network": {given: _scored(asked, said) for given, said in asked.said.items()},
        "probe": {
            name: scores(labels, answer, question.classes) for name, answer in probes.items()
        },
        "all_against_audio": compare(labels, everything, answers["audio"], question.classes),
        "network_against_probe": {
            name: compare(labels, answers[name], probes[name], question.classes) for name in answers
        },
    }


def _scored(asked: Asked, said: Said) -> dict[str, Any]:
    figures = {
        **scores(asked.labels, said.answers, asked.question.classes),
        "gates": said.gates.mean(axis=(0, 1)).tolist(),
    }
    return figures | (
        _sides(asked.labels, said.answers) if asked.question.name == "quadrant" else {}
    )


def _sides(labels: Classes, answers: Classes) -> dict[str, float]:
    """How often the side of each axis is right: Q1 and Q4 are pleasant, Q1 and Q2 aroused."""
    return {
        name: float(np.mean(np.isin(labels, high)[:, None] == np.isin(answers, high)))
        for name, high in (("valence_side", (0, 3)), ("arousal_side", (0, 1)))
    }


def probe_cross_validated(asked: Asked, modalities: Sequence[str]) -> Classes:
    """Answers (songs, 1) of probes on the folds that the networks were cross-validated on."""
    features, labels = pooled(asked.songs, modalities), asked.labels
    groups = np.array([f"{song.track.artist_group}" for song in asked.songs])
    folds = np.array([fold_of(group) for group in groups])
    answers = np.zeros_like(labels)
    for fold in np.unique(folds):
        held = folds == fold
        answers[held] = fit_and_predict(
            features[~held], labels[~held], groups[~held].tolist(), features[held]
        )
    return answers[:, None]


def probe_tested(known: Asked, asked: Asked, modalities: Sequence[str]) -> Classes:
    """Answers (songs, 1) of a probe on what the tested networks were trained on."""
    groups = [f"{song.track.artist_group}" for song in known.songs]
    return fit_and_predict(
        pooled(known.songs, modalities), known.labels, groups, pooled(asked.songs, modalities)
    )[:, None]


def measure_texts(
    networks: Sequence[AffettiNetwork], examples: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Correlations on held-out words (Spearman) and on EmoBank's test sentences (Pearson).

    Words that are a label of any of `examples` are not asked about.
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
            given = np.stack([output[:, axis] for output in outputs], axis=1)

            def agreement(
                target: NDArray[np.float64],
                answers: NDArray[np.float64],
                measure_: Callable[..., float] = measure_,
            ) -> float:
                return float(np.mean([measure_(target, column) for column in answers.T]))

            interval = bootstrap_ci(agreement, rated, given)
            result[f"{dataset}_{quantity}_{name}"] = {"texts": len(tests), **asdict(interval)}
    return result


def measure_neighbours(
    networks: Sequence[AffettiNetwork], tests: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Neighbours of the test clips with a quadrant, among each other."""
    songs = QUESTIONS[0].songs(tests)
    fused = {
        f"fused, {' and '.join(given)}": [
            predict(network, songs, given).fused_embedding.double().numpy() for network in networks
        ]
        for given in (("audio",), ("audio", "context"))
    }
    paths = [song.track.audio_path for song in songs if song.track.audio_path is not None]
    rivals = {"MusiCNN": musicnn_embeddings(songs), "MFCC statistics": mfcc_statistics(paths)}
    return neighbours.measure(fused, rivals, QUESTIONS[0].labels(songs))


def calibrated_folds(
    config: AffettiConfig, folds: Sequence[FoldNetwork], plane: Plane
) -> list[FoldNetwork]:
    """Each fold's network, calibrated on the songs of the other folds alone."""
    return [
        FoldNetwork(
            recalibrated(
                fold.network, calibrate(config, [*folds[:index], *folds[index + 1 :]], plane)
            ),
            fold.held_out,
        )
        for index, fold in enumerate(folds)
    ]


def unmet_songs(args: argparse.Namespace) -> tuple[Material, list[FoldNetwork]]:
    """Cross-validate as ``python -m mer.research train`` does, or read what is there: who met which songs.

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
    folds = cross_validate(recipe, config, material.development, material.plane, args.work)
    return material, calibrated_folds(config, folds, material.plane)


def train_all(
    recipe: Recipe, config: AffettiConfig, material: Material, folder: Path
) -> tuple[list[FoldNetwork], list[AffettiNetwork]]:
    """Train, or read, the network of each fold and of each of `SEEDS`, all calibrated."""
    folds = cross_validate(recipe, config, material.development, material.plane, folder)
    calibrated = calibrate(config, folds, material.plane)
    networks = [
        recalibrated(
            train_final(replace(recipe, seed=seed), config, material, folder / "final"), calibrated
        )
        for seed in SEEDS
    ]
    return calibrated_folds(config, folds, material.plane), networks


def ask_all(
    folds: Sequence[FoldNetwork],
    networks: Sequence[AffettiNetwork],
    development: Sequence[TrackFeatures],
    tests: Sequence[TrackFeatures],
) -> Parts:
    """Every question out of fold and on the test split, by part and by the question's name."""
    answerers = [partial(predict, network) for network in networks]
    return {
        "cross_validation": {
            question.name: ask(question, development, [partial(out_of_fold, folds)])
            for question in QUESTIONS
        },
        "test": {question.name: ask(question, tests, answerers) for question in QUESTIONS},
    }


def keep_predictions(path: Path, parts: Parts) -> None:
    """Write what each network says of each song, out of fold and of the test split.

    Arrays are of networks, songs and then classes, or valence and arousal.
    """
    kept = {
        part: {
            name: {
                "songs": [song.track.track_id for song in asked.songs],
                "labels": asked.labels.tolist(),
                "given": {
                    given: {
                        "probabilities": said.probabilities.swapaxes(0, 1).round(5).tolist(),
                        "affect": said.affect.swapaxes(0, 1).round(5).tolist(),
                        "spread": said.spread.swapaxes(0, 1).round(5).tolist(),
                    }
                    for given, said in asked.said.items()
                },
            }
            for name, asked in questions.items()
        }
        for part, questions in parts.items()
    }
    write_json(path, {"seeds": list(SEEDS), **kept})


def sections(
    parts: Parts,
    networks: Sequence[AffettiNetwork],
    material: Material,
    genres: Mapping[str, Mapping[str, Sequence[str]]],
    others: Mapping[str, Mapping[str, Classes]],
) -> dict[str, Callable[[], Any]]:
    """List what measures each section of the report, in the order of measuring.

    Parameters
    ----------
    parts : mapping
        As `ask_all` returns.
    networks : sequence of AffettiNetwork
        Of the test split.
    material : Material
    genres : mapping of data set to mapping of track id to sequence of str
    others : mapping
        As `mer.research.evaluation.rivals.read_all` returns.
    """
    folds, tested = parts["cross_validation"], parts["test"]
    tests = [example for example in material.examples if example.track.split == "test"]
    return {
        "cross_validation": lambda: {
            name: measure(asked, partial(probe_cross_validated, asked))
            for name, asked in folds.items()
        },
        "test": lambda: {
            name: measure(asked, partial(probe_tested, folds[name], asked))
            for name, asked in tested.items()
        },
        "rivals": lambda: {
            name: rivals.measure(tested[name], found) for name, found in others.items() if found
        },
        "details": lambda: {
            part: {
                name: breakdown.measure(asked, material.plane, genres.get(asked.question.dataset))
                for name, asked in questions.items()
            }
            for part, questions in parts.items()
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
    """Cross-validate, train with five seeds, test, and write the report."""
    if args.threads:
        torch.set_num_threads(args.threads)
    material = Material.load(args.data, args.cache, args.work)
    tests = [example for example in material.examples if example.track.split == "test"]
    # Both are read before anything is trained: a wrong file must not cost an hour.
    others = rivals.read_all(args.rivals, tests)
    for name, found in others.items():
        if not found:
            print(f"no rivals in {name}: {args.rivals} holds no predictions")  # noqa: T201
    genres = {"panda4q": panda4q.genres(args.data)}
    recipe, config = Recipe(), AffettiConfig()
    folds, networks = train_all(recipe, config, material, args.work)
    parts = ask_all(folds, networks, material.development, tests)
    keep_predictions(args.predictions, parts)
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "calibration": asdict(networks[0].config),
        "seeds": list(SEEDS),
    }
    for name, section in sections(parts, networks, material, genres, others).items():
        report[name] = finite(section())
        # What is measured stays measured, whatever fails after it.
        write_json(args.out / "house-model.json", report, indent=1)
    _write_page(args.out, report)
    return 0


def _write_page(folder: Path, report: dict[str, Any]) -> None:
    picture = PICTURE if _draw(folder / PICTURE, report) else None
    write_page(folder / "house-model.md", markdown(report, picture=picture))


def _draw(path: Path, report: dict[str, Any]) -> bool:
    """Draw the reliability diagrams, unless there is nothing to draw with."""
    rows = {
        f"{name}, {part.replace('_', ' ')}": figures["reliability"]
        for part, questions in report["details"].items()
        for name, figures in questions.items()
    }
    try:
        reliability.plot(rows, path)
    except PackageMissingError as error:
        print(f"{path.name} is not drawn: {error}")  # noqa: T201
        return False
    return True
