"""What the pages of staff write of jobs: stages, speed, time left, what can be done."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from catalog import selectors as catalog_selectors
from catalog.models import BackgroundJob, Library, StageTiming
from catalog.paths import from_stored
from recommender.terms import minutes_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.utils.functional import _StrPromise

    from catalog.models import TagRun, TagWrite
    from catalog.selectors import Failure, JobProgress

Status = BackgroundJob.Status

STATES: Final[dict[str, _StrPromise]] = {
    Status.PENDING: _("Waiting for a worker"),
    Status.STARTED: _("Running"),
    Status.PAUSED: _("Paused"),
    Status.SUCCEEDED: _("Done"),
    Status.FAILED: _("Failed"),
    Status.REVOKED: _("Cancelled"),
}
PRIORITIES: Final[dict[str, _StrPromise]] = {
    BackgroundJob.Priority.NEXT: _("Before all others"),
    BackgroundJob.Priority.HIGH: _("High"),
    BackgroundJob.Priority.NORMAL: _("Normal"),
    BackgroundJob.Priority.LOW: _("Low"),
}
STAGES: Final[dict[str, _StrPromise]] = {
    "find": _("Find files"),
    "read": _("Read tags"),
    "analyse": _("Analyse"),
    "done": _("Done"),
}
WORK_STAGES: Final[dict[str, _StrPromise]] = {
    StageTiming.Stage.READ: _("Read tags"),
    StageTiming.Stage.WRITE: _("Write songs"),
    StageTiming.Stage.PREPARE: _("Read sound and lyrics"),
    StageTiming.Stage.PREDICT: _("Predict"),
    StageTiming.Stage.STORE: _("Store"),
    StageTiming.Stage.INDEX: _("Build the index"),
}
_TEN: Final = 10.0
_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a job; `state` is done, now or next."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class JobCard:
    """A job as the pages show it."""

    job: BackgroundJob
    progress: JobProgress
    name: str
    state: str
    stages: list[Stage]
    speed: str
    left: str
    priority: str
    took: str
    """How long it has run, or ran; empty before its start."""

    @property
    def is_open(self) -> bool:
        """Whether the job has not ended."""
        return self.job.finished_at is None

    @property
    def is_moving(self) -> bool:
        """Whether the page should look again soon."""
        return self.job.status in {Status.PENDING, Status.STARTED}

    @property
    def share(self) -> float:
        """The part of its files that needs no more work, from 0 to 1."""
        return min(1.0, self.progress.done / self.progress.total) if self.progress.total else 0.0


def job_card(job: BackgroundJob) -> JobCard:
    """Return a job in words; cheap enough to be asked for every second."""
    progress = catalog_selectors.job_progress(job)
    path = from_stored(job.arguments["path"])
    is_running = job.status == Status.STARTED
    return JobCard(
        job=job,
        progress=progress,
        name=str(path.name or path).encode("utf-8", "backslashreplace").decode(),
        state=str(STATES[job.status]),
        stages=_stages(job, progress),
        speed=speed_words(progress.songs_per_minute) if is_running else "",
        left=left_words(progress.eta_seconds) if is_running else "",
        priority=str(PRIORITIES[job.priority]),
        took=_took(job),
    )


def jobs_shown(jobs: Iterable[BackgroundJob]) -> dict[str, object]:
    """Return the jobs of a page, those under way apart from those that have ended."""
    cards = [job_card(job) for job in jobs]
    return {
        "cards": cards,
        "under_way": [card for card in cards if card.is_open],
        "ended": [card for card in cards if not card.is_open],
        "is_moving": any(card.is_moving for card in cards),
    }


def failures_named(job: BackgroundJob, failures: Iterable[Failure]) -> list[tuple[Failure, str]]:
    """Return failures, each with its path below that of the job."""
    top = job.arguments["path"].rstrip("/") + "/"
    return [(one, one.path.removeprefix(top)) for one in failures]


def failures_counted(failures: Iterable[Failure]) -> list[tuple[str, int]]:
    """Return the codes of failures, each with their number, the most frequent first."""
    return Counter(one.code for one in failures).most_common()


def _took(job: BackgroundJob) -> str:
    if job.started_at is None:
        return ""
    end = job.finished_at or timezone.now()
    return time_words((end - job.started_at).total_seconds())


def _stages(job: BackgroundJob, progress: JobProgress) -> list[Stage]:
    names = catalog_selectors.STAGES
    at = len(names) if job.status == Status.SUCCEEDED else names.index(progress.stage)
    states = ["done" if n < at else "now" if n == at else "next" for n in range(len(names))]
    return [Stage(str(STAGES[name]), state) for name, state in zip(names, states, strict=True)]


def speed_words(per_minute: float) -> str:
    """Return a speed in words; empty while nothing moves."""
    if per_minute <= 0:
        return ""
    if per_minute >= _MINUTE:
        speed = number_format(round(per_minute / _MINUTE, 1), 1)
        return gettext("%(count)s songs a second") % {"count": speed}
    count = max(1, round(per_minute))
    return ngettext("%(count)d song a minute", "%(count)d songs a minute", count) % {"count": count}


def stage_speeds(stages: Iterable[StageTiming]) -> list[tuple[str, str]]:
    """Return the stages of the work, each with its mean speed in words."""
    return [(str(WORK_STAGES[one.stage]), stage_words(one.items_per_second)) for one in stages]


def stage_words(per_second: float) -> str:
    """Return the speed of a stage in words: 12 a second, or 1.5 s each."""
    if per_second >= 1:
        count = number_format(
            per_second, 1 if per_second < _TEN else 0, use_l10n=True, force_grouping=True
        )
        return gettext("%(count)s a second") % {"count": count}
    each = number_format(round(1 / per_second, 1), 1)
    return gettext("%(seconds)s s each") % {"seconds": each}


def time_words(seconds: float) -> str:
    """Return a time that has passed: 24 s, 3 min, 1 h 5 min."""
    whole = max(1, round(seconds))
    if whole >= _MINUTE:
        return minutes_words(seconds)
    words = gettext("%(seconds)d s") % {"seconds": whole}
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def left_words(seconds: float | None) -> str:
    """Return a time that is left in words; empty while it is not known."""
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        return ""
    if seconds < _MINUTE:
        return gettext("less than a minute left")
    if seconds < _HOUR:
        return gettext("about %(minutes)d min left") % {"minutes": math.ceil(seconds / _MINUTE)}
    return gettext("about %(hours)s h left") % {
        "hours": number_format(round(seconds / _HOUR, 1), 1)
    }


TAG_FIELDS: Final[dict[str, _StrPromise]] = {
    "mood": _("Mood"),
    "bpm": _("Tempo"),
    "key": _("Key"),
}


@dataclass(frozen=True, slots=True)
class TagCell:
    """A tag of a file before and after a run; both are empty if nothing becomes of it."""

    field: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class TagRow:
    """A file of a run, with each tag that the run is of."""

    path: str
    cells: list[TagCell]
    is_undone: bool


def tag_heads(run: TagRun) -> dict[str, str]:
    """Return the names of the tags that a run is of, in the order of the page."""
    chosen = run.choice_made["fields"]
    return {field: str(name) for field, name in TAG_FIELDS.items() if field in chosen}


def tag_rows(files: Iterable[TagWrite], heads: Mapping[str, str]) -> list[TagRow]:
    """Return what becomes of the tags of files: a cell for each of `heads`."""
    return [
        TagRow(
            file.relative_path,
            [_tag_cell(name, file.fields.get(field)) for field, name in heads.items()],
            file.state == file.State.UNDONE,
        )
        for file in files
    ]


def _tag_cell(name: str, change: Mapping[str, list[str]] | None) -> TagCell:
    if change is None:
        return TagCell(name)
    return TagCell(name, ", ".join(change["before"]), ", ".join(change["after"]))


def tag_state(run: TagRun) -> str:
    """Return how a run of tags stands."""
    if run.is_stopped:
        return gettext("Stopped")
    if run.job is not None and run.job.status == Status.PENDING and not run.after:
        return str(STATES[Status.PENDING])
    return str(run.get_state_display())


def tag_choice_words(run: TagRun) -> list[str]:
    """Return what a run of tags is of: where, which tags, and what is written over."""
    choice = run.choice_made
    names = list(Library.objects.filter(pk__in=choice["libraries"]).values_list("name", flat=True))
    if len(names) < len(choice["libraries"]):
        names.append(gettext("removed libraries"))
    words = [", ".join(names) if choice["libraries"] else gettext("All writable libraries")]
    if choice["folder"]:
        words.append(choice["folder"])
    if choice["songs"]:
        count = len(choice["songs"])
        words.append(ngettext("%(count)d song", "%(count)d songs", count) % {"count": count})
    words.append(", ".join(tag_heads(run).values()))
    if choice["may_overwrite"]:
        words.append(gettext("manual edits are overwritten"))
    return words
