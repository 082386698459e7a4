"""``python -m mer.research playlists``: prepare a suite of playlists, and score runs of it.

``prepare`` makes the songs, queries and predictions from the data sets. ``manage.py
evaluate_playlists`` lets the recommender answer the queries. ``score`` turns runs into tables. It
needs neither data sets nor networks, so it can score the runs of any recommender.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mer.errors import DatasetError
from mer.research.files import finite, write_json, write_page
from mer.research.playlists import report, rivals
from mer.research.playlists.figures import measure, sections
from mer.research.playlists.suite import read_run, read_suite, write_run, write_suite

if TYPE_CHECKING:
    import argparse

    from mer.research.playlists.suite import Run, Suite

SUITE: Final = Path("var/playlist-suite")
PLANE: Final = "V/A only"
EMBEDDING: Final = "house embedding only"
_RUNS: Final = "runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research playlists``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    prepare = actions.add_parser("prepare", help="songs, queries and predictions of the data sets")
    _prepare_arguments(prepare)
    score = actions.add_parser("score", help="tables of runs, and rivals that need no network")
    score.add_argument(
        "--suite", type=Path, action="append", required=True, metavar="DIR",
        help="folder of songs.csv and queries.csv; its runs/*.csv are scored; may be repeated",
    )  # fmt: skip
    score.add_argument(
        "--main", default="affetti", metavar="NAME",
        help="the run that is compared with every other one (default: %(default)s)",
    )  # fmt: skip
    score.add_argument(
        "--out", type=Path, metavar="DIR",
        help="where playlists.md and playlists.json go (default: the page is printed only)",
    )  # fmt: skip


def _prepare_arguments(parser: argparse.ArgumentParser) -> None:
    # It loads PyTorch, which `score` does without.
    from mer.research.house.training import add_data_arguments  # noqa: PLC0415
    from mer.research.house.validation import FOLDS  # noqa: PLC0415

    add_data_arguments(parser)
    parser.add_argument("--suite", type=Path, default=SUITE, metavar="DIR", help="where it goes")
    parser.add_argument(
        "--copies", type=int, default=1, metavar="N",
        help="distorted copies of each song in the training of the folds (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=int, choices=range(2, FOLDS + 1), default=FOLDS, metavar="N",
        help="take the songs of the first N folds of %(default)s only, to train fewer networks",
    )  # fmt: skip
    parser.add_argument(
        "--test-split", action="store_true",
        help="songs of the test split with the packaged checkpoint, instead of out-of-fold songs",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run one of the two actions."""
    return _prepare(args) if args.action == "prepare" else _score(args)


def _prepare(args: argparse.Namespace) -> int:
    import torch  # noqa: PLC0415

    from mer.research.playlists import material  # noqa: PLC0415

    if args.threads:
        torch.set_num_threads(args.threads)
    if args.test_split:
        catalogues, plane = material.test_catalogues(args.data, args.cache)
    else:
        catalogues, plane = material.out_of_fold_catalogues(
            args.data, args.cache, args.work, args.copies, args.folds
        )
    suite = material.suite_of(catalogues, plane, args.data)
    write_suite(args.suite, suite)
    for name, inputs in material.INPUTS.items():
        predicted = material.predictions(catalogues, inputs)
        predicted.write(args.suite / "predictions" / f"{name}.npz")
        if name == "all":
            runs = {
                PLANE: rivals.plane_run(suite, predicted.by_song(predicted.affect)),
                EMBEDDING: rivals.nearest_run(suite, predicted.by_song(predicted.fused)),
            }
            for title, answered in runs.items():
                write_run(args.suite / _RUNS / f"{title.replace('/', '-')}.csv", answered)
    print(f"{args.suite}: {len(suite.songs)} songs, {len(suite.queries)} queries")  # noqa: T201
    return 0


def _score(args: argparse.Namespace) -> int:
    figures = []
    for folder in args.suite:
        suite = read_suite(folder)
        runs = given_runs(folder, suite) | simple_runs(suite)
        if args.main not in runs:
            raise DatasetError(
                f"{folder / _RUNS / args.main}.csv is missing; write the lists of your recommender "
                "there, or name another run with --main"
            )
        found = sections(suite, runs)
        figures += [finite(measure(suite, section, args.main)) for section in found]
    page = report.page(figures, args.main, args.command_line)
    if args.out is None:
        print(page)  # noqa: T201
    else:
        write_json(args.out / "playlists.json", {"main": args.main, "sections": figures}, indent=1)
        write_page(args.out / "playlists.md", page)
    return 0


def given_runs(folder: Path, suite: Suite) -> dict[str, Run]:
    """Read the runs in the folder ``runs`` of a suite, by file name."""
    return {path.stem: read_run(path, suite) for path in sorted((folder / _RUNS).glob("*.csv"))}


def simple_runs(suite: Suite) -> dict[str, Run]:
    """Make the rivals that follow from the tables of a suite alone."""
    runs = {rivals.RANDOM: rivals.random_run(suite)}
    if any(song.genres or song.year for song in suite.songs.values()):
        runs[rivals.METADATA] = rivals.metadata_run(suite)
    for space, vectors in suite.vectors.items():
        runs[f"nearest by {space}"] = rivals.nearest_run(suite, vectors)
    return runs | {rivals.ORACLE: rivals.oracle_run(suite)}
