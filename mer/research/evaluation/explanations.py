"""``python -m mer.research explanations``: tests of lyric lines, gates and timelines.

Each song is predicted by the network of the cross-validation that was not trained on its artist.
The test split is not used. `mer.research.evaluation.deletion` tests lyric lines, and
`mer.research.evaluation.explanation_checks` tests gates and timelines.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mer.encoders.text import TEXT_ENCODER, TextEncoder
from mer.explain import SHORTLIST
from mer.prediction import MODALITIES
from mer.research.evaluation import deletion
from mer.research.evaluation.deletion import ALL_INPUTS, LYRICS_ALONE
from mer.research.evaluation.evaluate import held_out_folds
from mer.research.evaluation.explanation_checks import (
    AXES,
    by_hash,
    chosen,
    gate_figures,
    measure_splices,
    modifications,
    whole_figures,
)
from mer.research.files import write_json, write_page
from mer.research.house.training import add_data_arguments
from mer.research.house.validation import out_of_fold
from mer.research.inputs.distortions import DISTORTIONS
from mer.research.inputs.features import FeatureCache
from mer.research.tables import Table, bullet, command_block, interval, markdown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from mer.encoding import TokenEncoder
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

SONGS: Final = 100
NOISE: Final = DISTORTIONS["white-noise-0db"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research explanations``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--songs",
        type=int,
        default=SONGS,
        metavar="N",
        help="songs with lyrics, drawn by hash; 0 takes all (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        metavar="DIR",
        help="where explanations.md and explanations.json go (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Cross-validate or read the kept networks, run all tests, and write the report."""
    material, folds = held_out_folds(args)
    cache = FeatureCache(args.cache, is_wide=True, adapter=material.adapter)
    figures = measure(
        folds,
        TextEncoder.from_pretrained(TEXT_ENCODER).adapt(material.adapter),
        lambda songs: cache.features([song.track for song in songs], NOISE),
        args.songs,
    )
    write_json(args.out / "explanations.json", figures, indent=1)
    write_page(args.out / "explanations.md", report(figures, args.command_line))
    return 0


def measure(
    folds: Sequence[FoldNetwork],
    encoder: TokenEncoder,
    noisy: Callable[[Sequence[TrackFeatures]], Sequence[TrackFeatures]],
    count: int,
) -> dict[str, Any]:
    """Run all tests.

    Parameters
    ----------
    folds : sequence of FoldNetwork
        Calibrated.
    encoder : TokenEncoder
    noisy : callable
        Adds white noise at 0 dB to songs.
    count : int
        Largest number of songs of mirex with lyrics; 0 takes all.

    Returns
    -------
    dict
        ``lines``, ``gates``, ``timeline`` and ``splices``.
    """
    held = chosen(folds, "mirex", "lyrics")
    pairs = [(f.network, song) for f, mine in zip(folds, held, strict=True) for song in mine]
    pairs = sorted(pairs, key=lambda pair: by_hash(pair[1]))[: count or None]
    songs = [song for _, song in pairs]
    return {
        "lines": deletion.measure(pairs, encoder),
        "gates": {
            "songs": len(songs),
            **gate_figures(
                lambda rows: out_of_fold(folds, rows), songs, modifications(songs, noisy(songs))
            ),
        },
        "timeline": {"songs": len(songs), **whole_figures(pairs)},
        "splices": measure_splices(folds),
    }


def report(figures: Mapping[str, Any], command: str) -> str:
    """Page of the figures of `measure`.

    Parameters
    ----------
    figures : mapping
    command : str
        Command line.

    Returns
    -------
    str
        Markdown that ends with a newline.
    """
    songs = figures["timeline"]["songs"]
    lines = [
        "# Explanations, tested",
        "",
        *command_block(command),
        "The command above writes this page and `explanations.json` with all numbers.",
        f"It tests {songs} songs of mirex with lyrics, and clips of panda4q.",
        "They are drawn by hash from the training and validation splits.",
        "Each song is predicted by the network of the cross-validation that was not trained on its",
        "artist. That network is calibrated on the songs of the other folds.",
        "Brackets are 95% bootstrap intervals over songs (over pairs for splices).",
        "",
    ]
    for table in (
        _line_table(figures["lines"]),
        _gate_table(figures["gates"]),
        _timeline_table(figures["timeline"]),
        _splice_table(figures["splices"]),
    ):
        lines += markdown(table)
    for note in _READING:
        lines += bullet(note)
    return "\n".join(lines) + "\n"


_INPUTS: Final = {ALL_INPUTS: "all inputs", LYRICS_ALONE: "lyrics alone"}
_LINE_ROWS: Final = {
    "named": "shift if the reported line is deleted",
    "random": "shift if another line is deleted (mean over all others)",
    "longest": "shift if the longest line is deleted",
    "named_less_random": "**reported less other line, same song**",
    "named_less_longest": "**reported less longest line, same song**",
    "more_than_random": "probability that the reported line shifts more than another line",
    "first": "share of songs where the reported line has the largest shift",
    "first_unchecked": "the same for the line chosen by leaving out alone",
    "first_longest": "the same for the longest line",
    "chance": "the same for a line drawn at random",
    "rank_agreement": "Spearman over lines: shift when left out against shift when deleted",
    "turned_named_less_random": "total variation of the quadrants, reported less other line",
}


def _line_table(found: Mapping[str, Any]) -> Table:
    first = next(iter(found.values()))
    rows = tuple(
        (text, *(interval(figures[name]) for figures in found.values()))
        for name, text in _LINE_ROWS.items()
    )
    about = f"{first['songs']} songs, {first['lines']:.1f} different lines each on average"
    return Table(f"Lyric lines: {about}", ("", *(_INPUTS[name] for name in found)), rows)


def _gate_table(found: Mapping[str, Any]) -> Table:
    rows: list[tuple[str | float, ...]] = [
        ("unmodified", *(found["before"][name] for name in MODALITIES), "", "", "")
    ]
    for condition, each in found.items():
        if condition in ("songs", "before"):
            continue
        holds = {None: "", True: "yes", False: "**NO**"}[each["holds"]]
        weights = (each["gates"][name] for name in MODALITIES)
        change = f"{each['gate']}: {interval(each['change'])}"
        rows.append((condition, *weights, change, interval(each["expected"]), holds))
    columns = ("Songs", *MODALITIES, "Gate that should fall", "Share that falls", "Exactly 0")
    return Table(f"Gates of {found['songs']} songs", columns, tuple(rows))


def _timeline_table(found: Mapping[str, Any]) -> Table:
    names = ("distance", "bias", "correlation")
    rows = tuple(
        (axis, *(interval(found[axis][name]) for name in names),
         f"{found[axis]['anchored']:.0e}", found[axis]["within"], found[axis]["between"])
        for axis in AXES
    )  # fmt: skip
    columns = (
        "Axis", "Mean distance", "Timeline less song", "Correlation", "Largest distance, anchored",
        "Deviation within songs", "Deviation between songs",
    )  # fmt: skip
    return Table(
        f"Mean of the timeline against the whole song, {found['songs']} songs", columns, rows
    )


_SPLICE_COLUMNS: Final = {
    "right_apart": "Expected sign, separate clips",
    "right_spliced": "Expected sign, halves of a splice",
    "kept": "Splice has the sign of the separate clips",
    "difference_apart": "Difference, separate clips",
    "difference_spliced": "Difference, halves of a splice",
    "size_unspliced": "Absolute difference, halves of one clip",
    "size_spliced": "Absolute difference, halves of a splice",
}


def _splice_table(found: Mapping[str, Any]) -> Table:
    rows = tuple(
        (f"{name} ({each['pairs']} pairs)", axis,
         *(interval(each[axis][column]) for column in _SPLICE_COLUMNS), each[axis]["left"])
        for name, each in found.items()
        for axis in AXES
    )  # fmt: skip
    columns = ("Clips", "Axis", *_SPLICE_COLUMNS.values(), "Splice over separate")
    return Table("Two joined clips of opposite quadrants", columns, rows)


_READING: Final = (
    (
        "Lyric lines: the token states of each line and its repetitions are left out of the mean. "
        f"The {SHORTLIST} lines with the largest shift are then deleted from the text, which is "
        "encoded again, and the line with the largest shift is reported."
    ),
    (
        "This test deletes every line in turn. The text is first cut to the length that the "
        "encoder reads, so that no later text moves in."
    ),
    (
        "Shift is the distance on the plane between both predictions. The longest line, with its "
        "repetitions, is the line that a choice by length would report."
    ),
    (
        "Another song's lyrics are the whole lyrics of the next song by hash. Only audio, title "
        "and artist can show the mismatch. A gate counts as fallen from a change of .0001. By "
        "chance, half of the gates would fall."
    ),
    (
        "Timeline: patches lie in the middle of equal parts of a song, so all have the same weight "
        "in the mean. Distance, difference and correlation are those of the passages' own "
        "predictions. The displayed timeline is shifted by one constant per axis, in log-odds, so "
        "that its mean equals the prediction for the song."
    ),
    (
        "Splices: audio alone, in both orders. Passages at the boundary contain one patch of the "
        "other clip. The sign is as expected if the half with the higher quadrant on an axis has "
        "the higher prediction. Halves of one clip show the change of a timeline without a splice."
    ),
)
"""Notes under the tables."""
