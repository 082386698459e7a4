"""``python -m mer``: analyses files or text, and measures the model on labelled songs of a user.

Exit codes: 0 success, 1 an error, 2 a wrong command line, 130 interrupted. An error is one line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from mer.affect import GEMS_WORDS
from mer.errors import MerError
from mer.lyrics import (
    READ_LANGUAGES,
    language_name,
    read_judged_lyrics,
    text_language,
    withheld_note,
)
from mer.own_songs import evaluate_table, report
from mer.prediction import TOLD_SHIFT, SongInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mer.pipeline import EmotionPipeline
    from mer.prediction import EmotionPrediction

_BATCH_FILES: Final = 8
"""Files in one batch of the networks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments after the program name; None for those of this process.

    Returns
    -------
    int
        Exit code.
    """
    return run_command(_parse, list(sys.argv[1:] if argv is None else argv))


def run_command(parse: Callable[[list[str]], argparse.Namespace], arguments: list[str]) -> int:
    """Parse arguments, run their command, and print its error as one line.

    Parameters
    ----------
    parse : function
        Converts arguments to a Namespace. Its `run` takes the Namespace and returns an exit code.
    arguments : list of str

    Returns
    -------
    int
        Exit code.
    """
    try:
        options = parse(arguments)
        return int(options.run(options))
    except MerError as error:
        _print_error(f"{error.code}: {error}")
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader of the output has closed it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            _print_error(str(error))
        return 1
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mer",
        description="Music emotion recognition from audio, lyrics and context.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    analyze = commands.add_parser("analyze", help="predict the emotion of files or text")
    _add_analyze_arguments(analyze)
    evaluate = commands.add_parser("evaluate", help="measure the model on your own labelled songs")
    _add_evaluate_arguments(evaluate)
    options = parser.parse_args(arguments)
    if options.command == "analyze":
        _check_analyze(analyze, options)
    return options


def _add_analyze_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Predict the emotion of files or text: one line each, in the order given."
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="audio file")
    parser.add_argument("--text", help="predict this text instead of files")
    parser.add_argument(
        "--lyrics", type=Path, metavar="FILE", help="lyrics of the one audio file, plain or LRC"
    )
    parser.add_argument("--title", help="title of the one audio file")
    parser.add_argument("--artist", help="artist of the audio files")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--embedding", action="store_true", help="add the fused embedding (with --json)"
    )
    parser.add_argument(
        "--model",
        default="affetti",
        metavar="NAME",
        help="packaged checkpoint, or path of a .safetensors file (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the networks run (default: %(default)s)",
    )
    parser.set_defaults(run=_analyze)


def _check_analyze(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.text is not None:
        if options.files or options.lyrics or options.title or options.artist:
            parser.error("--text cannot be combined with FILE, --lyrics, --title or --artist")
    elif not options.files:
        parser.error("give at least one FILE, or --text")
    if len(options.files) > 1 and (options.lyrics or options.title):
        parser.error("--lyrics and --title need exactly one FILE")
    if options.embedding and not options.json:
        parser.error("--embedding needs --json")


def _analyze(options: argparse.Namespace) -> int:
    # Loads torch, which takes seconds: not for --help and wrong command lines.
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415

    pipeline = EmotionPipeline.from_pretrained(options.model, device=options.device)
    if options.text is not None:
        prediction = replace(
            pipeline.predict_text(options.text), lyrics_language=text_language(options.text)
        )
        _show({"text": options.text}, prediction, options)
        return 0
    return 0 if _analyze_files(pipeline, options) else 1


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Measure the packaged model on your own labelled songs."
    parser.add_argument(
        "--csv",
        type=Path,
        required=True,
        metavar="FILE",
        help="table with the column path, and quadrant, mood, or valence and arousal",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415  # loads torch, as above

    figures = evaluate_table(options.csv, EmotionPipeline.from_pretrained(device="auto"))
    for line in [json.dumps(figures)] if options.json else report(figures):
        _print(line)
    return 1 if figures["failed"] else 0


def _analyze_files(pipeline: EmotionPipeline, options: argparse.Namespace) -> bool:
    """Print the prediction or error of each file; return whether there was no error."""
    is_complete = True
    files = options.files
    with tqdm(total=len(files), unit="file", file=sys.stderr, disable=len(files) == 1) as bar:
        for start in range(0, len(files), _BATCH_FILES):
            outcomes = _predict(pipeline, files[start : start + _BATCH_FILES], options)
            with bar.external_write_mode():  # hides the bar while lines are written
                for path, outcome in outcomes:
                    if isinstance(outcome, MerError):
                        is_complete = False
                        _show_error(path, outcome, options)
                    else:
                        _show({"path": str(path)}, outcome, options)
            bar.update(min(_BATCH_FILES, len(files) - start))
    return is_complete


def _predict(
    pipeline: EmotionPipeline, paths: Sequence[Path], options: argparse.Namespace
) -> list[tuple[Path, EmotionPrediction | MerError]]:
    """Prediction or error of each file, in the order of `paths`."""
    outcomes: dict[int, EmotionPrediction | MerError] = {}
    prepared = {}
    for position, path in enumerate(paths):
        try:
            lyrics = read_judged_lyrics(options.lyrics) if options.lyrics else None
            song = SongInput(path, lyrics, options.title, options.artist)
            prepared[position] = pipeline.prepare(song)
        except MerError as error:
            outcomes[position] = error
    predictions = pipeline.predict_prepared(list(prepared.values()))
    outcomes.update(zip(prepared, predictions, strict=True))
    return [(path, outcomes[position]) for position, path in enumerate(paths)]


def _show(
    subject: dict[str, str], prediction: EmotionPrediction, options: argparse.Namespace
) -> None:
    if options.json:
        values = _as_json(prediction, with_embedding=options.embedding)
        _print(json.dumps({**subject, **values}, allow_nan=False))
        return
    emotions = sorted(prediction.emotions.items(), key=lambda item: -item[1])[:3]
    gates = [f"{name} {gate:.2f}" for name, gate in prediction.gates.items() if gate > 0]
    name = " ".join(" ".join(subject.values()).split())
    ambiguous = ", ambiguous" if prediction.is_ambiguous else ""
    _print(
        f"{name}: valence {prediction.valence:.2f} ± {prediction.valence_spread:.2f}, "
        f"arousal {prediction.arousal:.2f} ± {prediction.arousal_spread:.2f}, "
        f"{prediction.quadrant} ({prediction.confidence:.0%}{ambiguous}); "
        f"{', '.join(f'{emotion} {share:.0%}' for emotion, share in emotions)}; "
        f"by {', '.join(gates)}{_quoted_lines(prediction)}{_remarks(prediction)}"
    )


def _quoted_lines(prediction: EmotionPrediction) -> str:
    """Quote the two most important lyric lines, if their shift is visible in two decimals."""
    quoted = [
        f'"{line.text}" (valence {line.valence:+.2f}, arousal {line.arousal:+.2f})'
        for line in prediction.lyric_lines[:2]
        if line.shift >= TOLD_SHIFT
    ]
    return f"; most by {', '.join(quoted)}" if quoted else ""


def _remarks(prediction: EmotionPrediction) -> str:
    """Say what listeners feel, what kind of music it is, and why the prediction may be wrong."""
    remarks = []
    if prediction.felt:
        strongest = sorted(prediction.felt.items(), key=lambda item: -item[1])[:3]
        remarks.append(
            "listeners would feel "
            + ", ".join(f"{GEMS_WORDS[name]} {share:.0%}" for name, share in strongest)
        )
    if prediction.kinds:
        kind, share = max(prediction.kinds.items(), key=lambda item: item[1])
        remarks.append(f"{kind} {share:.0%}")
    if prediction.is_unfamiliar:
        remarks.append("unlike the music that the model was trained on: a guess")
    language = prediction.lyrics_language
    if prediction.are_lyrics_withheld:
        is_used = prediction.gates.get("lyrics", 0.0) > 0
        remarks.append(withheld_note(language, is_used=is_used).rstrip("."))
    elif language and language not in READ_LANGUAGES:
        remarks.append(
            f"the text is in {language_name(language)}, the model was trained on English"
        )
    return "".join(f"; {remark}" for remark in remarks)


def _show_error(path: Path, error: MerError, options: argparse.Namespace) -> None:
    if options.json:
        _print(json.dumps({"path": str(path), "code": error.code, "message": str(error)}))
    else:
        _print_error(f"{error.code}: {error}")


def _as_json(prediction: EmotionPrediction, *, with_embedding: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "model_version": prediction.model_version,
        "valence": prediction.valence,
        "arousal": prediction.arousal,
        "valence_spread": prediction.valence_spread,
        "arousal_spread": prediction.arousal_spread,
        "quadrant": prediction.quadrant,
        "quadrants": prediction.quadrants,
        "emotions": prediction.emotions,
        "confidence": prediction.confidence,
        "ambiguous": prediction.is_ambiguous,
        "gates": prediction.gates,
        "alone": {
            name: {"valence": valence, "arousal": arousal}
            for name, (valence, arousal) in prediction.alone.items()
        },
        "timeline": [
            {
                "start_seconds": point.start_seconds,
                "valence": point.valence,
                "arousal": point.arousal,
            }
            for point in prediction.timeline
        ],
        "lyric_lines": [
            {
                "line": line.line,
                "text": line.text,
                "valence": line.valence,
                "arousal": line.arousal,
                "shift": line.shift,
            }
            for line in prediction.lyric_lines
        ],
        "felt": prediction.felt,
        "kinds": prediction.kinds,
        "novelty": prediction.novelty,
        "unfamiliar": prediction.is_unfamiliar,
        "valence_interval": prediction.valence_interval,
        "arousal_interval": prediction.arousal_interval,
        "lyrics_language": prediction.lyrics_language,
        "lyrics_withheld": prediction.are_lyrics_withheld,
    }
    if with_embedding:
        values["fused_embedding"] = [float(value) for value in prediction.fused_embedding]
    return values


def _print(line: str) -> None:
    # A path may contain characters that the encoding of the terminal lacks.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _print_error(message: str) -> None:
    sys.stderr.write(f"mer: {' '.join(message.split())}\n")
