"""``python -m mer.research explanations``: whether what explains a prediction does explain it.

Networks of the cross-validation are asked about songs that they were not trained on; no test song
is. `mer.research.evaluation.deletion` looks at lyric lines, `mer.research.evaluation.explanation_checks` at gates and the timeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mer.encoders.text import TEXT_ENCODER, TextEncoder
from mer.explain import SHORTLIST
from mer.prediction import MODALITIES
from mer.research.evaluation import deletion
from mer.research.evaluation.evaluate import unmet_songs
from mer.research.evaluation.explanation_checks import (
    AXES,
    by_hash,
    chosen,
    disturbances,
    gate_figures,
    measure_splices,
    whole_figures,
)
from mer.research.files import write_json, write_page
from mer.research.house.training import add_data_arguments
from mer.research.house.validation import out_of_fold
from mer.research.inputs.distortions import DISTORTIONS
from mer.research.inputs.features import FeatureCache
from mer.research.tables import Table, interval, markdown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from mer.research.evaluation.deletion import Encoder
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
    """Cross-validate, or read what is cross-validated; check; and write the report."""
    material, folds = unmet_songs(args)
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
    encoder: Encoder,
    noisy: Callable[[Sequence[TrackFeatures]], Sequence[TrackFeatures]],
    count: int,
) -> dict[str, Any]:
    """Make every check.

    Parameters
    ----------
    folds : sequence of FoldNetwork
        Calibrated.
    encoder : Encoder
    noisy : callable
        Gives songs as they are under white noise at 0 dB.
    count : int
        Songs of mirex with lyrics that are asked about, at most; 0 takes all.

    Returns
    -------
    dict
        ``lines``, ``gates``, ``timeline`` and ``splices``.
    """
    held = chosen(folds, "mirex", "lyrics")
    heard = [(f.network, song) for f, mine in zip(folds, held, strict=True) for song in mine]
    heard = sorted(heard, key=lambda pair: by_hash(pair[1]))[: count or None]
    songs = [song for _, song in heard]
    return {
        "lines": deletion.measure(heard, encoder),
        "gates": {
            "songs": len(songs),
            **gate_figures(
                lambda rows: out_of_fold(folds, rows), songs, disturbances(songs, noisy(songs))
            ),
        },
        "timeline": {"songs": len(songs), **whole_figures(heard)},
        "splices": measure_splices(folds),
    }


def report(figures: Mapping[str, Any], command: str) -> str:
    """Tables of what `measure` found.

    Parameters
    ----------
    figures : mapping
    command : str
        What was typed.

    Returns
    -------
    str
        Markdown that ends with a newline.
    """
    songs = figures["timeline"]["songs"]
    lines = [
        "# Explanations, tested",
        "",
        (
            f"Written by `{command}`; figures also in `explanations.json`. {songs} songs of mirex "
            "with lyrics, and clips of panda4q, by hash, of the training and validation splits, "
            "each judged by the network of the cross-validation that has not met its artist, "
            "calibrated on the songs of the other folds. "
            "Brackets: 95% bootstrap intervals over songs (over pairs for splices)."
        ),
        "",
    ]
    for table in (
        _line_table(figures["lines"]),
        _gate_table(figures["gates"]),
        _timeline_table(figures["timeline"]),
        _splice_table(figures["splices"]),
    ):
        lines += markdown(table)
    return "\n".join([*lines, *_READING]) + "\n"


_LINE_ROWS: Final = {
    "named": "shift when the named line is deleted",
    "random": "shift when another line is deleted (mean over all others)",
    "longest": "shift when the longest line is deleted",
    "named_less_random": "**named less random, same song**",
    "named_less_longest": "**named less longest, same song**",
    "more_than_random": "chance that the named line moves more than a random other one",
    "first": "share of songs where no line moves more than the named one",
    "first_unchecked": "the same of the line that leaving out alone would name",
    "first_longest": "the same of the longest line",
    "chance": "the same of a line drawn at random",
    "rank_agreement": "Spearman of lines: left out of the mean against deleted",
    "turned_named_less_random": "named less random in total variation of the quadrants",
}


def _line_table(found: Mapping[str, Any]) -> Table:
    first = next(iter(found.values()))
    rows = tuple(
        (text, *(interval(figures[name]) for figures in found.values()))
        for name, text in _LINE_ROWS.items()
    )
    about = f"{first['songs']} songs, of which {first['lines']:.1f} different lines are read"
    return Table(f"Lyric lines: {about}", ("", *found), rows)


def _gate_table(found: Mapping[str, Any]) -> Table:
    rows: list[tuple[str | float, ...]] = [
        ("as they are", *(found["before"][name] for name in MODALITIES), "", "", "")
    ]
    for condition, each in found.items():
        if condition in ("songs", "before"):
            continue
        holds = {None: "", True: "yes", False: "**NO**"}[each["holds"]]
        weights = (each["gates"][name] for name in MODALITIES)
        change = f"{each['gate']}: {interval(each['change'])}"
        rows.append((condition, *weights, change, interval(each["expected"]), holds))
    columns = ("Songs", *MODALITIES, "Gate that should fall", "Share that does", "Exactly 0")
    return Table(f"Gates of {found['songs']} songs", columns, tuple(rows))


def _timeline_table(found: Mapping[str, Any]) -> Table:
    names = ("distance", "bias", "correlation")
    rows = tuple(
        (axis, *(interval(found[axis][name]) for name in names),
         f"{found[axis]['anchored']:.0e}", found[axis]["within"], found[axis]["between"])
        for axis in AXES
    )  # fmt: skip
    columns = (
        "Axis", "Mean distance", "Timeline less whole", "Correlation", "Largest distance, anchored",
        "Deviation within songs", "Deviation between songs",
    )  # fmt: skip
    return Table(f"Mean of the timeline against the whole, {found['songs']} songs", columns, rows)


_SPLICE_COLUMNS: Final = {
    "right_apart": "Right side, clips apart",
    "right_spliced": "Right side, halves of a splice",
    "kept": "Splice lies as the clips apart",
    "difference_apart": "Difference apart",
    "difference_spliced": "Difference of halves",
    "size_unspliced": "Size, halves of one clip",
    "size_spliced": "Size, halves of a splice",
}


def _splice_table(found: Mapping[str, Any]) -> Table:
    rows = tuple(
        (f"{name} ({each['pairs']} pairs)", axis,
         *(interval(each[axis][column]) for column in _SPLICE_COLUMNS), each[axis]["left"])
        for name, each in found.items()
        for axis in AXES
    )  # fmt: skip
    columns = ("Clips", "Axis", *_SPLICE_COLUMNS.values(), "Size left of that apart")
    return Table("Two clips of opposite quadrants, one after the other", columns, rows)


_READING: Final = (
    (
        "- Left out: the tokens of a line, and of its repetitions, are not in the mean that the "
        "network takes of the lyrics. The "
        f"{SHORTLIST} lines that move the song most so are then "
        "deleted from the text, which is encoded anew, and the one that moves most is named. Here "
        "every line is deleted in its turn; the text is cut before at what the encoder reads, so "
        "that nothing slides in. Shift: distance on the plane. The longest line, with its "
        "repetitions, is what naming by length would name."
    ),
    (
        "- Another song's lyrics are those of the next song by hash: whole lyrics, of which only "
        "sound, title and artist tell that they lie. Half of the songs move either way by chance. "
        "A gate counts as fallen from a change of .0001 on."
    ),
    (
        "- Patches lie in the middle of equal parts of a song, so each weighs the same in the "
        "mean: distance, difference and correlation of what the network says of passages. "
        "What is shown is moved by one constant an axis, in log-odds, until its mean is the whole."
    ),
    (
        "- Splices: sound alone, in both orders; passages at the seam hear one patch of the other "
        "clip. Right: the clip whose quadrant is higher on the axis is the higher half. Halves of "
        "one clip show how much a timeline moves without a splice."
    ),
)
