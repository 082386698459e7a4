"""``python -m mer``: analyse files or words, and measure the model on songs of your own.

Exit codes: 0 when all went well, 1 when something could not be done, 2 when the command line is
wrong, 130 when interrupted. An error is one line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mer.errors import MerError
from mer.lyrics import read_lyrics
from mer.prediction import TOLD_SHIFT, SongInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mer.pipeline import EmotionPipeline
    from mer.prediction import EmotionPrediction

_BATCH_FILES: Final = 8
"""Files that go through the networks together."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments after the program's name; those of this process by default.

    Returns
    -------
    int
        Exit code.
    """
    return run_command(_parse, list(sys.argv[1:] if argv is None else argv))


def run_command(parse: Callable[[list[str]], argparse.Namespace], arguments: list[str]) -> int:
    """Parse arguments, run the command that they name, and turn its errors into one line each.

    Parameters
    ----------
    parse : function
        Of the arguments to a Namespace whose `run` takes it and returns an exit code.
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
        _complain(f"{error.code}: {error}")
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mer",
        description="Music emotion recognition from audio, lyrics and context.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    analyze = commands.add_parser("analyze", help="say what files or words express")
    _add_analyze_arguments(analyze)
    evaluate = commands.add_parser("evaluate", help="measure the model on songs of your own")
    _add_evaluate_arguments(evaluate)
    options = parser.parse_args(arguments)
    if options.command == "analyze":
        _check_analyze(analyze, options)
    return options


def _add_analyze_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what files or words express: one line each, in the order given."
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="audio file")
    parser.add_argument("--text", help="judge these words in place of files")
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
            parser.error("--text stands alone: give no FILE, --lyrics, --title or --artist with it")
    elif not options.files:
        parser.error("give at least one FILE, or --text")
    if len(options.files) > 1 and (options.lyrics or options.title):
        parser.error("--lyrics and --title are for one FILE alone")
    if options.embedding and not options.json:
        parser.error("--embedding needs --json")


def _analyze(options: argparse.Namespace) -> int:
    from mer.pipeline import EmotionPipeline

    pipeline = EmotionPipeline.from_pretrained(options.model, device=options.device)
    if options.text is not None:
        _show({"text": options.text}, pipeline.predict_text(options.text), options)
        return 0
    return 0 if _analyze_files(pipeline, options) else 1


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Measure the packaged model on your own labelled songs."
    parser.add_argument(
        "--csv",
        type=Path,
        required=True,
        metavar="FILE",
        help="a table with path and valence and arousal, quadrant or mood",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from mer.own_songs import evaluate_table, report
    from mer.pipeline import EmotionPipeline

    figures = evaluate_table(options.csv, EmotionPipeline.from_pretrained(device="auto"))
    for line in [json.dumps(figures)] if options.json else report(figures):
        _print(line)
    return 1 if figures["failed"] else 0


def _analyze_files(pipeline: EmotionPipeline, options: argparse.Namespace) -> bool:
    """Show each file's prediction or error; whether there was no error."""
    from tqdm import tqdm

    is_complete = True
    files = options.files
    with tqdm(total=len(files), unit="file", file=sys.stderr, disable=len(files) == 1) as bar:
        for start in range(0, len(files), _BATCH_FILES):
            outcomes = _judge(pipeline, files[start : start + _BATCH_FILES], options)
            with bar.external_write_mode():  # the bar steps aside while lines are written
                for path, outcome in outcomes:
                    if isinstance(outcome, MerError):
                        is_complete = False
                        _show_error(path, outcome, options)
                    else:
                        _show({"path": str(path)}, outcome, options)
            bar.update(min(_BATCH_FILES, len(files) - start))
    return is_complete


def _judge(
    pipeline: EmotionPipeline, paths: Sequence[Path], options: argparse.Namespace
) -> list[tuple[Path, EmotionPrediction | MerError]]:
    """Predict for the files that can be read; the others get their error, in the same order."""
    outcomes: dict[int, EmotionPrediction | MerError] = {}
    prepared = {}
    for position, path in enumerate(paths):
        try:
            lyrics = read_lyrics(options.lyrics) if options.lyrics else None
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
    doubt = ", ambiguous" if prediction.is_ambiguous else ""
    _print(
        f"{name}: valence {prediction.valence:.2f} ± {prediction.valence_spread:.2f}, "
        f"arousal {prediction.arousal:.2f} ± {prediction.arousal_spread:.2f}, "
        f"{prediction.quadrant} ({prediction.confidence:.0%}{doubt}); "
        f"{', '.join(f'{emotion} {share:.0%}' for emotion, share in emotions)}; "
        f"by {', '.join(gates)}{_lines_named(prediction)}"
    )


def _lines_named(prediction: EmotionPrediction) -> str:
    """Quote the two lyric lines that count most, as far as they can be seen in two digits."""
    named = [
        f'"{line.text}" (valence {line.valence:+.2f}, arousal {line.arousal:+.2f})'
        for line in prediction.lyric_lines[:2]
        if line.shift >= TOLD_SHIFT
    ]
    return f"; most by {', '.join(named)}" if named else ""


def _show_error(path: Path, error: MerError, options: argparse.Namespace) -> None:
    if options.json:
        _print(json.dumps({"path": str(path), "code": error.code, "message": str(error)}))
    else:
        _complain(f"{error.code}: {error}")


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
    }
    if with_embedding:
        values["fused_embedding"] = [float(value) for value in prediction.fused_embedding]
    return values


def _print(line: str) -> None:
    # A path may hold what the terminal's encoding cannot say.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _complain(message: str) -> None:
    sys.stderr.write(f"mer: {' '.join(message.split())}\n")
