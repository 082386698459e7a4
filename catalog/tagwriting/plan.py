"""Which songs are chosen, what their files are to say, and how the files would change."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from django.db.models import Count
from django.db.models.functions import Left
from django.utils.translation import gettext, gettext_noop

from catalog.errors import FileUnusableError, PathError, TagWritingError, machine_errors_raise
from catalog.files.ours import OURS
from catalog.files.writing import TagChange, tags_change
from catalog.models import KnownCopy, Library, Song
from catalog.paths import FileStamp, shown, stamp_of
from catalog.retold import kept
from catalog.selectors import song_path
from catalog.storable import storable_text
from catalog.stores.addresses import in_store
from catalog.tagwriting.replacing import file_state
from mer.audio.child import run_in_child
from mer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import QuerySet

LEAST_DEFAULT: Final = 0.25
"""An emotion of at least this probability is a mood of a song."""
SONGS_AT_ONCE: Final = 100
_CHANGED: Final = kept(gettext_noop("it was changed meanwhile; scan the library, then try again"))
_COPIES: Final = kept(
    gettext_noop("the library has the same file in %(count)s other places; keep one of them")
)
_TAKEN: Final = kept(
    gettext_noop("another file of the library has the bytes that it would get; keep one of them")
)
_STORE: Final = kept(gettext_noop("it lies in an object store, whose files are not written"))
_GONE: Final = kept(gettext_noop("there is no such file; scan the library"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What to write where; no `libraries` are all that may be written, no `songs` all of them.

    With a `folder`, which is a path below the library's, only the songs inside are chosen.
    `least` is the least probability of an emotion that becomes a mood. `is_touched` gives files the
    time of the writing, for players that look for new times; else they keep theirs.
    """

    libraries: tuple[int, ...] = ()
    songs: tuple[int, ...] = ()
    fields: tuple[str, ...] = OURS
    least: float = LEAST_DEFAULT
    may_overwrite: bool = False
    is_touched: bool = False
    folder: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the choice in the form of `TagRun.choice`."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def of_json(cls, choice: Mapping[str, Any]) -> Choice:
        """Return the choice that `as_json` wrote."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in choice.items()
        }
        return cls(**values)


class Moods(Protocol):
    """Returns the moods of songs, by id; empty if it is known that a song has none.

    A song of which nothing is known is absent, and its file keeps what it says.
    """

    def __call__(
        self, song_ids: Sequence[int], *, least: float
    ) -> Mapping[int, tuple[str, ...]]: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is not written; the message is in English, to be retold."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How the file of a song would change, or why it cannot."""

    song: Song
    change: TagChange | None = None
    problem: Problem | None = None


def choice_check(choice: Choice) -> None:
    """Raise TagWritingError unless there is a library that may be written, and all named may."""
    folders = Library.objects.filter(kind=Library.Kind.FOLDER, is_going=False)
    if choice.libraries:
        found = list(folders.filter(pk__in=choice.libraries))
    else:
        found = list(folders.filter(is_writable=True))
    if len(found) < max(1, len(set(choice.libraries))):
        raise TagWritingError(
            gettext("There is no such library, or none whose files may be written; allow it first")
        )
    problems = [problem for problem in map(_problem_of_library, found) if problem]
    if problems and (choice.libraries or len(problems) == len(found)):
        raise TagWritingError(problems[0])
    if choice.folder and not songs_chosen(choice).exists():
        raise TagWritingError(
            gettext("There is no song in the folder %(folder)s; name one below that of the library")
            % {"folder": choice.folder}
        )


def _problem_of_library(library: Library) -> str:
    if not library.is_writable:
        words = gettext("The files of the library %(name)s may not be written; allow it first")
        return words % {"name": library.name}
    return writing_problem(library)


def writing_problem(library: Library) -> str:
    """Return why tags can never be written into files of a library; empty if they can."""
    if not library.has_audio:
        return gettext("%(name)s is a table, which has no files") % {"name": library.name}
    if in_store(library.path):
        words = gettext("The library %(name)s lies in an object store, whose files are not written")
        return words % {"name": library.name}
    song = library.songs.filter(is_available=True).only("library", "relative_path").first()
    # The topmost folder may belong to somebody else than those with songs.
    folders = [library.path, song.path.parent] if song else [library.path]
    if not any(os.access(folder, os.W_OK) for folder in folders):
        words = gettext(
            "The folder of the library %(name)s cannot be written: %(path)s; mount it to be "
            "written, or change its rights"
        )
        return words % {"name": library.name, "path": shown(library.path)}
    return ""


def songs_chosen(choice: Choice) -> QuerySet[Song]:
    """Return the songs of a choice, by id."""
    songs = Song.objects.filter(
        is_available=True,
        library__is_writable=True,
        library__is_going=False,
        library__kind=Library.Kind.FOLDER,
    )
    if choice.libraries:
        songs = songs.filter(library__in=choice.libraries)
    if choice.songs:
        songs = songs.filter(pk__in=choice.songs)
    if folder := choice.folder.strip("/"):
        # SQLite's LIKE takes no heed of case.
        top = Left("relative_path", len(folder) + 1)
        songs = songs.alias(top=top).filter(top=f"{folder}/")
    return songs.select_related("library").defer("lyrics").order_by("pk")


def plans_make(choice: Choice, moods: Moods, *, after: int = 0) -> Iterator[Plan]:
    """Yield the plan of each song of a choice behind the id `after`; files are only read."""
    chosen = songs_chosen(choice)
    while page := list(chosen.filter(pk__gt=after)[:SONGS_AT_ONCE]):
        known: Mapping[int, tuple[str, ...]] = {}
        if "mood" in choice.fields:
            known = moods([song.pk for song in page], least=choice.least)
        copies = _copies_of(page)
        for song in page:
            count = copies.get(song.content_sha256, 0)
            yield _plan(song, _wanted(song, known, choice.fields), choice, copies=count)
        after = page[-1].pk


def _copies_of(songs: Sequence[Song]) -> dict[str, int]:
    """Return how many other files have the bytes of songs, by their hash."""
    copies = KnownCopy.objects.filter(content_sha256__in=[song.content_sha256 for song in songs])
    counted = copies.order_by().values_list("content_sha256").annotate(count=Count("pk"))
    return dict(counted)


def _plan(song: Song, wanted: dict[str, tuple[str, ...]], choice: Choice, *, copies: int) -> Plan:
    try:
        if in_store(song.path):
            raise FileUnusableError("TAGS_STORE", _STORE)
        path = song_path(song)
        file_state(song.path)
        if stamp_of(path) != FileStamp(song.file_size_bytes, song.file_mtime_ns):
            raise FileUnusableError("TAGS_FILE_CHANGED", _CHANGED)
        if copies:
            raise FileUnusableError("TAGS_COPIES", _COPIES % {"count": copies})
        change = run_in_child(tags_change, path, wanted, may_overwrite=choice.may_overwrite)
        if change.before_sha256 != song.content_sha256:
            # Size and time are equal, so a scan would pass over it.
            Song.objects.filter(pk=song.pk).update(file_mtime_ns=0)
            raise FileUnusableError("TAGS_FILE_CHANGED", _CHANGED)
        if change.fields:
            taken_check(song, change.after_sha256)
    except PathError:
        return Plan(song, problem=Problem("TAGS_FILE_GONE", _GONE))
    except (FileUnusableError, AudioError, OSError) as error:
        return Plan(song, problem=problem_of(error))
    return Plan(song, change)


def taken_check(song: Song, sha256: str) -> None:
    """Raise FileUnusableError if another song has the bytes that the file of a song would get."""
    if Song.objects.filter(content_sha256=sha256).exclude(pk=song.pk).exists():
        raise FileUnusableError("TAGS_TAKEN", _TAKEN)


def problem_of(error: Exception) -> Problem:
    """Return why a file is not written; TransientError if the machine lacks something."""
    if not isinstance(error, FileUnusableError):
        machine_errors_raise(error)
    code = getattr(error, "code", "FILE_UNREADABLE")
    return Problem(code, storable_text(str(getattr(error, "reason", error))))


def _wanted(
    song: Song, moods: Mapping[int, tuple[str, ...]], fields: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return what the file of a song is to say, of the fields that are known of it.

    Empty means that it is known to have none. A tempo that a person set is not for us to write.
    """
    known: dict[str, tuple[str, ...]] = {}
    if song.pk in moods:
        known["mood"] = moods[song.pk]
    if song.tempo_confidence is not None and song.tempo_source != "tag":
        known["bpm"] = () if song.tempo_bpm is None else (str(round(song.tempo_bpm)),)
    if song.key_confidence is not None:
        key = song.key + "m" * (song.mode == "minor")
        known["key"] = () if song.key_code is None else (key,)
    return {name: known[name] for name in OURS if name in fields and name in known}
