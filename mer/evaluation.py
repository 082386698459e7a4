"""``python -m mer evaluate``: every figure of docs/results/house-model.md, from one command.

Cross-validated figures come from the training and validation splits, dealt to folds by artist;
test figures from networks trained on both of those with several seeds. Linear probes see the same
features of the same songs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer import neighbours
from mer.affect import QUADRANTS
from mer.errors import InputError
from mer.metrics import (
    accuracy,
    bootstrap_ci,
    ece,
    macro_f1,
    paired_bootstrap,
    pearson,
    spearman,
)
from mer.models.affetti import AffettiConfig, AffettiNetwork
from mer.neighbours import mfcc_statistics, musicnn_embeddings
from mer.probes import fit_and_predict, pooled
from mer.report import keep_notes, markdown
from mer.trainer import Recipe
from mer.training import Material, add_data_arguments, train_final
from mer.validation import (
    calibrate,
    cross_validate,
    fold_of,
    out_of_fold,
    predict,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mer.features import TrackFeatures
    from mer.models.affetti import AffettiOutput
    from mer.validation import FoldNetwork

    Classes = NDArray[np.int64]
    Answerer = Callable[[Sequence[TrackFeatures], Sequence[str]], AffettiOutput]

SEEDS: Final = (0, 1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Question:
    """A classification of some songs, asked with several sets of modalities.

    Parameters
    ----------
    name, dataset : str
    classes : int
    modalities : tuple of tuples of str
        The songs are those that have all of the last one.
    """

    name: str
    dataset: str
    classes: int
    modalities: tuple[tuple[str, ...], ...]

    def songs(self, examples: Sequence[TrackFeatures]) -> list[TrackFeatures]:
        """Those of `examples` that the question is about."""
        return [
            example
            for example in examples
            if example.track.dataset == self.dataset
            and all(getattr(example, part) is not None for part in self.modalities[-1])
        ]

    def labels(self, songs: Sequence[TrackFeatures]) -> Classes:
        """Classes of `songs`, from 0."""
        if self.name == "quadrant":
            quadrants = (song.track.labels.quadrant for song in songs)
            return np.array([QUADRANTS.index(quadrant) for quadrant in quadrants if quadrant])
        return np.array([song.track.labels.cluster for song in songs])

    def logits(self, output: AffettiOutput) -> torch.Tensor:
        """Of the question's head."""
        return output.quadrant_logits if self.name == "quadrant" else output.cluster_logits


QUESTIONS: Final = (
    Question("quadrant", "panda4q", 4, (("audio",), ("context",), ("audio", "context"))),
    Question(
        "cluster",
        "mirex",
        5,
        (
            ("audio",),
            ("lyrics",),
            ("context",),
            ("audio", "lyrics"),
            ("audio", "lyrics", "context"),
        ),
    ),
)


def scores(labels: Classes, answers: Classes, classes: int) -> dict[str, Any]:
    """Accuracy and macro-F1, means over networks, with 95% intervals over songs.

    Parameters
    ----------
    labels : (songs,) int ndarray
    answers : (songs, networks) int ndarray
    classes : int

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1``, each with ``estimate``, ``low``, ``high`` and the figure of
        each network.
    """
    result: dict[str, Any] = {"songs": len(labels)}
    for name, statistic in _statistics(classes).items():
        each = [statistic(labels, answers[:, [network]]) for network in range(answers.shape[1])]
        result[name] = {**asdict(bootstrap_ci(statistic, labels, answers)), "each": each}
    return result


def compare(labels: Classes, first: Classes, second: Classes, classes: int) -> dict[str, Any]:
    """Paired bootstrap over songs of two predictors; shapes as for `scores`."""
    return {
        name: asdict(paired_bootstrap(statistic, labels, first, second))
        for name, statistic in _statistics(classes).items()
    }


def _statistics(classes: int) -> dict[str, Callable[[Classes, Classes], float]]:
    """Accuracy and macro-F1 of labels (songs,) and answers (songs, networks)."""

    def f1(labels: Classes, answers: Classes) -> float:
        return float(np.mean([macro_f1(labels, column, classes) for column in answers.T]))

    def mean_accuracy(labels: Classes, answers: Classes) -> float:
        return float(np.mean([accuracy(labels, column) for column in answers.T]))

    return {"accuracy": mean_accuracy, "macro_f1": f1}


def ask_networks(
    question: Question, songs: Sequence[TrackFeatures], networks: Sequence[Answerer]
) -> tuple[dict[str, Any], dict[str, Classes]]:
    """Scores of the networks with each set of modalities, and their answers.

    Parameters
    ----------
    question : Question
    songs : sequence of TrackFeatures
    networks : sequence of callable
        Takes songs and modalities, gives an `AffettiOutput`.

    Returns
    -------
    scores, answers : dict
        By modalities joined with ``+``; answers are (songs, networks) int ndarrays.
    """
    labels = question.labels(songs)
    result: dict[str, Any] = {}
    answers: dict[str, Classes] = {}
    for modalities in question.modalities:
        outputs = [network(songs, modalities) for network in networks]
        chances = [question.logits(output).double().softmax(dim=1).numpy() for output in outputs]
        name = "+".join(modalities)
        answers[name] = np.stack([chance.argmax(axis=1) for chance in chances], axis=1)
        result[name] = {
            **scores(labels, answers[name], question.classes),
            "ece": float(np.mean([ece(labels, chance) for chance in chances])),
            "gates": torch.stack([o.gates.mean(dim=0) for o in outputs]).mean(dim=0).tolist(),
        }
        if question.name == "quadrant":
            result[name] |= _sides(labels, answers[name])
    return result, answers


def _sides(labels: Classes, answers: Classes) -> dict[str, float]:
    """How often the side of each axis is right: Q1 and Q4 are pleasant, Q1 and Q2 aroused."""
    return {
        name: float(np.mean(np.isin(labels, high)[:, None] == np.isin(answers, high)))
        for name, high in (("valence_side", (0, 3)), ("arousal_side", (0, 1)))
    }


def probe_cross_validated(
    question: Question, songs: Sequence[TrackFeatures], modalities: Sequence[str]
) -> Classes:
    """Answers (songs, 1) of probes on the folds that the networks were cross-validated on."""
    features, labels = pooled(songs, modalities), question.labels(songs)
    groups = np.array([f"{song.track.artist_group}" for song in songs])
    folds = np.array([fold_of(group) for group in groups])
    answers = np.zeros_like(labels)
    for fold in np.unique(folds):
        held = folds == fold
        answers[held] = fit_and_predict(
            features[~held], labels[~held], groups[~held].tolist(), features[held]
        )
    return answers[:, None]


def probe_tested(
    question: Question,
    songs: Sequence[TrackFeatures],
    tests: Sequence[TrackFeatures],
    modalities: Sequence[str],
) -> Classes:
    """Answers (tests, 1) of a probe on what the tested networks were trained on."""
    groups = [f"{song.track.artist_group}" for song in songs]
    return fit_and_predict(
        pooled(songs, modalities), question.labels(songs), groups, pooled(tests, modalities)
    )[:, None]


def measure(
    question: Question,
    songs: Sequence[TrackFeatures],
    networks: Sequence[Answerer],
    probe: Callable[[Sequence[str]], Classes],
) -> dict[str, Any]:
    """Networks, probes and the majority on the same songs, and the comparisons that matter."""
    labels = question.labels(songs)
    result, answers = ask_networks(question, songs, networks)
    probes = {"+".join(parts): probe(parts) for parts in question.modalities}
    best = "+".join(question.modalities[-1])
    majority = np.full((len(labels), 1), np.bincount(labels).argmax())
    return {
        "majority": scores(labels, majority, question.classes),
        "network": result,
        "probe": {
            name: scores(labels, answer, question.classes) for name, answer in probes.items()
        },
        "all_against_audio": compare(labels, answers[best], answers["audio"], question.classes),
        "network_against_probe": {
            name: compare(labels, answers[name], probes[name], question.classes) for name in answers
        },
    }


def measure_texts(
    networks: Sequence[AffettiNetwork], examples: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Correlations on held-out words (Spearman) and on EmoBank's test sentences (Pearson)."""
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer evaluate``."""
    add_data_arguments(parser, is_data_required=False)
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="measure the packaged model on your own labelled songs instead: a table with path and "
        "valence and arousal, quadrant or mood",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (with --csv)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        metavar="DIR",
        help="where house-model.md and house-model.json go (default: %(default)s)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        default=Path("var/house-model-predictions.json"),
        metavar="FILE",
        help="where per-song predictions go (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Cross-validate, train with five seeds, test, and write the report; or measure a table."""
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.csv is not None:
        return _measure_table(args)
    if args.data is None:
        raise InputError("give --data DIR, the folder of the data sets, or --csv FILE")
    material = Material.load(args.data, args.cache)
    recipe, config = Recipe(), AffettiConfig()
    folds = cross_validate(recipe, config, material.development, material.plane, args.work)
    calibrated = calibrate(config, folds, material.plane)
    networks = []
    for seed in SEEDS:
        trained = train_final(replace(recipe, seed=seed), config, material, args.work / "final")
        networks.append(AffettiNetwork(calibrated).eval())
        networks[-1].load_state_dict(trained.state_dict())
    tests = [example for example in material.examples if example.track.split == "test"]
    report = {
        "recipe": asdict(recipe),
        "calibration": asdict(calibrated),
        "seeds": list(SEEDS),
        "cross_validation": cross_validated(folds, material.development),
        "test": tested(networks, material.development, tests),
        "text": measure_texts(networks, tests),
        "neighbours": measure_neighbours(networks, tests),
    }
    keep_predictions(args.predictions, networks, tests)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "house-model.json").write_text(json.dumps(report, indent=1) + "\n")
    page = args.out / "house-model.md"
    previous = page.read_text() if page.is_file() else ""
    page.write_text(keep_notes(markdown(report), previous))
    print(markdown(report))  # noqa: T201
    return 0


def _measure_table(args: argparse.Namespace) -> int:
    from mer.own_songs import evaluate_table, report
    from mer.pipeline import EmotionPipeline

    figures = evaluate_table(args.csv, EmotionPipeline.from_pretrained(device="auto"))
    lines = [json.dumps(figures)] if args.json else report(figures)
    print("\n".join(lines))  # noqa: T201
    return 1 if figures["failed"] else 0


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


def keep_predictions(
    path: Path, networks: Sequence[AffettiNetwork], tests: Sequence[TrackFeatures]
) -> None:
    """Write what each network says of each test song, given all that is known of the song."""
    kept = []
    for question in QUESTIONS:
        songs = question.songs(tests)
        chances = [question.logits(predict(n, songs)).double().softmax(dim=1) for n in networks]
        for index, (song, label) in enumerate(zip(songs, question.labels(songs), strict=True)):
            kept.append(
                {
                    "question": question.name,
                    "song": song.track.track_id,
                    "label": int(label),
                    "probabilities": [chance[index].tolist() for chance in chances],
                }
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seeds": list(SEEDS), "songs": kept}) + "\n")


def cross_validated(
    folds: Sequence[FoldNetwork], development: Sequence[TrackFeatures]
) -> dict[str, Any]:
    """Measure every question on songs out of fold."""
    result = {}
    for question in QUESTIONS:
        songs = question.songs(development)
        probe = partial(probe_cross_validated, question, songs)
        result[question.name] = measure(question, songs, [partial(out_of_fold, folds)], probe)
    return result


def tested(
    networks: Sequence[AffettiNetwork],
    development: Sequence[TrackFeatures],
    tests: Sequence[TrackFeatures],
) -> dict[str, Any]:
    """Measure every question on the test split."""
    result = {}
    for question in QUESTIONS:
        songs = question.songs(tests)
        probe = partial(probe_tested, question, question.songs(development), songs)
        answerers = [partial(predict, network) for network in networks]
        result[question.name] = measure(question, songs, answerers, probe)
    return result
