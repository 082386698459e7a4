"""What a file or a program says of one listen, and what may be wrong with it."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.errors import FileRefusedError

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

EARLIEST: Final = datetime(2002, 10, 1, tzinfo=UTC)
"""Nobody could keep a listen online before; some exports have 1970 where the time is not known."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
_MOST_NAME: Final = 300


class Why(enum.StrEnum):
    """Why a listen is left out, or a file refused; stored, and shown by `why_in_words`."""

    NO_NAMES = "NO_NAMES"
    NO_TIME = "NO_TIME"
    TOO_EARLY = "TOO_EARLY"
    IN_FUTURE = "IN_FUTURE"
    NO_LISTEN = "NO_LISTEN"
    NO_HISTORY = "NO_HISTORY"
    NO_JSON = "NO_JSON"
    NO_CSV = "NO_CSV"
    NO_UTF8 = "NO_UTF8"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    ZIP_DAMAGED = "ZIP_DAMAGED"
    ZIP_LOCKED = "ZIP_LOCKED"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY = "TOO_MANY"
    TOO_SLOW = "TOO_SLOW"


_WORDS: Final[dict[Why, _StrPromise]] = {
    Why.NO_NAMES: _("it has no artist or no title"),
    Why.NO_TIME: _("it has no time that can be read"),
    Why.TOO_EARLY: _("its time is before October 2002"),
    Why.IN_FUTURE: _("its time lies in the future"),
    Why.NO_LISTEN: _("it is no listen"),
    Why.NO_HISTORY: _(
        "there is no listening history in it that Affetti reads: of ListenBrainz, Last.fm or "
        "Spotify"
    ),
    Why.NO_JSON: _("it is no JSON, or an entry of more than 4 MB; export it again"),
    Why.NO_CSV: _("it is no table of comma-separated values; export it again"),
    Why.NO_UTF8: _("the text is not UTF-8; save it as UTF-8"),
    Why.LINE_TOO_LONG: _("the line is longer than 1 MB; export it again"),
    Why.ZIP_DAMAGED: _("the archive is damaged; download it again"),
    Why.ZIP_LOCKED: _("the archive has a password; unpack it first"),
    Why.TOO_LARGE: _("it is too large, packed or unpacked; import its files one by one"),
    Why.TOO_MANY: _("more than a million listens are in it; import its files one by one"),
    Why.TOO_SLOW: _("it took too long; import its files one by one"),
}


def why_in_words(why: str, *, name: str, line: int = 0, entry: int = 0) -> str:
    """Return what is wrong with a place of a file as a sentence."""
    words = str(_WORDS[Why(why)]) if why in _WORDS else why
    if line:
        return gettext("%(name)s, line %(line)s: %(words)s.") % {
            "name": name,
            "line": line,
            "words": words,
        }
    if entry:
        return gettext("%(name)s, entry %(entry)s: %(words)s.") % {
            "name": name,
            "entry": entry,
            "words": words,
        }
    return gettext("%(name)s: %(words)s.") % {"name": name, "words": words}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: in a line of a text, or in an entry of a JSON list."""

    name: str
    line: int = 0
    entry: int = 0

    def refused(self, why: Why) -> FileRefusedError:
        """Return the error of a file that cannot be read on."""
        where = {"name": self.name, "line": self.line, "entry": self.entry}
        return FileRefusedError(why_in_words(why, **where), {"why": str(why), **where})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Heard:
    """One listen as a service tells it; `seconds_played` is None if it does not tell."""

    artist: str
    title: str
    moment: datetime
    album: str = ""
    recording_id: str = ""
    seconds_played: float | None = None
    duration_seconds: float | None = None


class Unreadable(Exception):  # noqa: N818  # of one listen, not of the program
    """A listen cannot be used; the others can."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def heard(
    *,
    artist: Any,
    title: Any,
    moment: datetime,
    album: Any = "",
    recording_id: Any = "",
    seconds_played: Any = None,
    duration_seconds: Any = None,
) -> Heard:
    """Return a listen of values of any type; `Unreadable` if they are none."""
    names = text_of(artist), text_of(title)
    if not all(names):
        raise Unreadable(Why.NO_NAMES)
    return Heard(
        artist=names[0],
        title=names[1],
        moment=_checked(moment),
        album=text_of(album),
        recording_id=text_of(recording_id).lower()[:36],
        seconds_played=_seconds(seconds_played),
        duration_seconds=_seconds(duration_seconds) or None,
    )


def text_of(value: Any, most: int = _MOST_NAME) -> str:
    """Return a name as every database takes it; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    plain = value.replace("\0", "").encode("utf-8", "replace").decode()
    return " ".join(plain.split())[:most]


def moment_of_epoch(value: Any) -> datetime:
    """Return the time of a number of seconds since 1970, which may be a text."""
    try:
        seconds = float(value)
        if isinstance(value, bool) or not math.isfinite(seconds):
            raise Unreadable(Why.NO_TIME)
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Unreadable(Why.NO_TIME) from None


def _checked(moment: datetime) -> datetime:
    if moment < EARLIEST:
        raise Unreadable(Why.TOO_EARLY)
    if moment > timezone.now() + _CLOCK_SKEW:
        raise Unreadable(Why.IN_FUTURE)
    return moment


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < 10**6 else None
