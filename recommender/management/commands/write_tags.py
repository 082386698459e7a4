"""`manage.py write_tags`: moods, tempo and key as tags of files; a dry run unless it may write."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from tqdm import tqdm

from catalog.errors import CatalogError
from catalog.files.ours import OURS
from catalog.models import Library, TagRun, TagWrite
from catalog.tagwriting.plan import (
    LEAST_DEFAULT,
    Choice,
    Plan,
    choice_check,
    plans_make,
    songs_chosen,
)
from catalog.tagwriting.run import PREVIEWS, run_begin, run_undo, run_write, runs_listed
from mer.errors import MerError
from recommender.mood_tags import moods_of_songs

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from catalog.tagwriting.plan import Problem


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return share


class Command(BaseCommand):
    help = (
        "Write moods, tempo and key into the tags of files. Without --apply it only says what "
        "would change. --undo restores the files of a run byte for byte."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--apply", action="store_true", help="write; else only say what")
        action.add_argument("--undo", type=int, metavar="RUN", help="restore the files of a run")
        action.add_argument("--runs", action="store_true", help="list the runs")
        action.add_argument(
            "--allow", type=int, metavar="LIBRARY", help="let the files of a library be written"
        )
        action.add_argument("--forbid", type=int, metavar="LIBRARY", help="the opposite")
        parser.add_argument(
            "--library", type=int, action="append", default=[], help="only of this library"
        )
        parser.add_argument("--song", type=int, action="append", default=[], help="only this song")
        parser.add_argument(
            "--folder", default="", help="only inside this folder, below that of the library"
        )
        parser.add_argument(
            "--field", choices=OURS, action="append", default=[], help="only this field"
        )
        parser.add_argument(
            "--least",
            type=_share,
            default=LEAST_DEFAULT,
            help="least probability of an emotion that becomes a mood",
        )
        parser.add_argument(
            "--overwrite", action="store_true", help="also values that a person set"
        )
        parser.add_argument(
            "--touch", action="store_true", help="give written files the time of now"
        )

    @no_translations
    def handle(self, *args: object, **options: Any) -> None:
        try:
            if options["runs"]:
                self._list()
            elif options["allow"] is not None:
                self._switch(options["allow"], is_allowed=True)
            elif options["forbid"] is not None:
                self._switch(options["forbid"], is_allowed=False)
            elif options["undo"] is not None:
                self._undo(options["undo"])
            else:
                self._write(_choice(options), is_applied=options["apply"])
        except (CatalogError, MerError) as error:
            raise CommandError(str(error)) from error

    def _write(self, choice: Choice, *, is_applied: bool) -> None:
        choice_check(choice)
        bar = tqdm(total=songs_chosen(choice).count(), unit="song", disable=None)
        counts = dict.fromkeys(("changed", "unchanged", "refused"), 0)

        def show(plan: Plan) -> None:
            bar.update()
            counts[_outcome(plan)] += 1
            for line in _lines(plan):
                self._say(bar, line)

        with bar:
            if not is_applied:
                for plan in plans_make(choice, moods_of_songs):
                    show(plan)
            else:
                run = run_begin(choice=choice)
                self._say(bar, f"Run {run.pk}; manage.py write_tags --undo {run.pk} restores it")
                run_write(run=run, moods=moods_of_songs, on_plan=show)
        told = "{changed} files {verb}, {unchanged} are up to date, {refused} are left alone"
        verb = "written" if is_applied else "would change"
        self.stdout.write(told.format(verb=verb, **counts))
        if is_applied:
            self.stdout.write(f"Run {run.pk}; manage.py write_tags --undo {run.pk} restores them")
        else:
            self.stdout.write("Nothing was written; --apply writes")

    def _undo(self, pk: int) -> None:
        run = TagRun.objects.filter(pk=pk).first()
        if run is None:
            raise CommandError(f"There is no run {pk}; --runs lists them")
        restored = 0
        with tqdm(total=run.writes.count(), unit="file", disable=None) as bar:

            def show(write: TagWrite, problem: Problem | None) -> None:
                nonlocal restored
                bar.update()
                restored += problem is None
                if problem:
                    self._say(bar, f"{write.relative_path}: {problem.message}")

            run_undo(run=run, on_file=show)
        run.refresh_from_db()
        self.stdout.write(f"{restored} files restored, {run.refused} are left as they are")

    def _say(self, bar: tqdm[Any], line: str) -> None:
        with bar.external_write_mode():
            self.stdout.write(line)

    def _list(self) -> None:
        for run in runs_listed().exclude(state__in=PREVIEWS):
            files = vars(run)  # annotations, which the class does not declare
            self.stdout.write(
                f"{run.pk}  {run.created_at:%Y-%m-%d %H:%M}  {run.state}  "
                f"{files['written'] + files['undone']} files written, {run.refused} left alone"
            )

    def _switch(self, pk: int, *, is_allowed: bool) -> None:
        if not Library.objects.filter(pk=pk).update(is_writable=is_allowed):
            names = ", ".join(f"{one.pk} ({one.name})" for one in Library.objects.all())
            raise CommandError(f"There is no library {pk}; there are: {names or 'none'}")
        can = "may" if is_allowed else "may not"
        self.stdout.write(f"Files of library {pk} {can} be written")


def _choice(options: dict[str, Any]) -> Choice:
    return Choice(
        libraries=tuple(options["library"]),
        songs=tuple(options["song"]),
        fields=tuple(options["field"]) or OURS,
        least=options["least"],
        may_overwrite=options["overwrite"],
        is_touched=options["touch"],
        folder=options["folder"],
    )


def _outcome(plan: Plan) -> str:
    if plan.problem:
        return "refused"
    return "changed" if plan.change and plan.change.fields else "unchanged"


def _lines(plan: Plan) -> list[str]:
    """Return the difference of a file, as people read it; empty if there is none."""
    if plan.problem:
        return [f"{plan.song.relative_path}: {plan.problem.message}"]
    change = plan.change
    if change is None or not (change.fields or change.kept):
        return []
    lines = [plan.song.relative_path]
    for name, one in change.fields.items():
        lines += [f"  - {name}: {value}" for value in one.before]
        lines += [f"  + {name}: {value}" for value in one.after]
    lines += [f"    {name}: {', '.join(values)} (kept)" for name, values in change.kept.items()]
    return lines
