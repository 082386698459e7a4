"""Playlists from files of other programs, as lists that are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from catalog import analysis
from catalog.models import Song
from catalog.retold import kept
from catalog.texts import recording_title
from recommender.errors import FileRefusedError
from recommender.exports import playlist_read
from recommender.listening import SongMatcher, text_of
from recommender.models import Playlist, PlaylistEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User

    from recommender.exports import FileEntry

MOST_SONGS: Final = 2000
MOST_NAMED: Final = 500
_OWN: Final = re.compile(r"/songs/(\d{1,18})/audio/?$")
_RECORDING: Final = re.compile(r"musicbrainz\.org/recording/([0-9a-f-]{36})", re.IGNORECASE)
_MOST_TAILS: Final = 6
_MOST_PATH: Final = 4000
_MISSING: Final = kept(
    gettext_noop("%(count)s songs of the file are not in the library, or are in the list twice")
)


class Filed(NamedTuple):
    """A list that was made of a file, and the songs of it that are not here, in their order."""

    playlist: Playlist
    missing: list[str]


class _Name(NamedTuple):
    artist: str
    title: str
    album: str
    recording_id: str
    duration_seconds: float | None


def playlist_import(*, user: User, data: bytes, name: str = "") -> Filed:
    """Keep the songs of a playlist file that are here, in their order, each once.

    The format is told by the content. `name` stands for a name in the file that is empty. Raises
    `FileRefusedError` if the file cannot be read, is too long, or none of its songs is here.
    """
    filed = playlist_read(data)
    if len(filed.entries) > MOST_SONGS:
        raise FileRefusedError(
            gettext("The list has more than %(most)s songs. Split it.") % {"most": MOST_SONGS}
        )
    found = _songs_of(filed.entries)
    missing = [_shown(entry) for entry, pk in zip(filed.entries, found, strict=True) if pk is None]
    songs = list(dict.fromkeys(pk for pk in found if pk is not None))
    if not songs:
        raise FileRefusedError(gettext("None of the songs of this file is in the library."))
    left = len(filed.entries) - len(songs)
    with transaction.atomic():
        playlist = Playlist.objects.create(
            user_id=user.pk,
            name=text_of(filed.name)[:200] or text_of(name)[:200] or gettext("Imported list"),
            request={},
            seed=0,
            model_version=analysis.model_version(),
            notes=[_MISSING % {"count": left}] if left else [],
        )
        PlaylistEntry.objects.bulk_create(
            PlaylistEntry(playlist=playlist, position=position, song_id=pk)
            for position, pk in enumerate(songs)
        )
    return Filed(playlist, missing[:MOST_NAMED])


def _songs_of(entries: Sequence[FileEntry]) -> list[int | None]:
    """Return the song of each entry: by our address, by its path, by the recording, by its name."""
    names = [_name(entry) for entry in entries]
    own = _by_address(entries)
    paths = _by_path(entries)
    matcher = SongMatcher()
    matcher.learn(names)
    return [
        own.get(place) or paths.get(place) or matcher.match(name)
        for place, name in enumerate(names)
    ]


def _name(entry: FileEntry) -> _Name:
    ids = (_RECORDING.search(one) for one in entry.identifiers)
    recording = next((one[1].lower() for one in ids if one), "")
    names = (text_of(entry.artist), text_of(entry.title), text_of(entry.album))
    return _Name(*names, recording, entry.duration_seconds)


def _by_address(entries: Sequence[FileEntry]) -> dict[int, int]:
    """Return the songs whose address is ours; another installation has other songs there."""
    asked = {
        place: int(own[1])
        for place, entry in enumerate(entries)
        if (own := _OWN.search(_path(entry.location)))
    }
    songs = Song.objects.filter(pk__in=set(asked.values()), is_available=True).order_by()
    titles = {song.pk: song.shown_title for song in songs.only("title", "relative_path")}
    return {
        place: pk
        for place, pk in asked.items()
        if pk in titles and _is_same(titles[pk], entries[place].title)
    }


def _is_same(title: str, named: str) -> bool:
    return not named or recording_title(title) == recording_title(text_of(named))


def _by_path(entries: Sequence[FileEntry]) -> dict[int, int]:
    """Return the songs whose path below their library is the longest end of a location."""
    tails = {place: _tails(entry.location) for place, entry in enumerate(entries)}
    asked = {tail for some in tails.values() for tail in some}
    if not asked:
        return {}
    rows = Song.objects.filter(relative_path__in=asked, is_available=True).order_by("pk")
    known = dict(rows.values_list("relative_path", "pk"))
    found = {}
    for place, some in tails.items():
        pk = next((known[tail] for tail in some if tail in known), None)
        if pk is not None:
            found[place] = pk
    return found


def _tails(location: str) -> list[str]:
    """Return the ends of a path of a file, the longest first; a name alone tells too little."""
    if "://" in location and not location.startswith("file://"):
        return []
    parts = [part for part in _path(location).replace("\\", "/").split("/") if part]
    tails = ["/".join(parts[start:]) for start in range(len(parts) - 1)]
    return [text for text in tails if len(text) <= _MOST_PATH][-_MOST_TAILS:]


def _path(location: str) -> str:
    """Return the path of an address or a file; empty if it is none."""
    if "://" not in location:
        return text_of(location, _MOST_PATH)
    try:
        return text_of(unquote(urlsplit(location).path), _MOST_PATH)
    except ValueError:
        return ""


def _shown(entry: FileEntry) -> str:
    names = [text_of(one) for one in (entry.artist, entry.title) if one]
    return " - ".join(names) or text_of(entry.location.rpartition("/")[2]) or "?"
