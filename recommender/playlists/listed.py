"""Lists with their songs loaded, for the API, the pages, the exports and the command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from django.utils.translation import ngettext

from recommender.models import Playlist
from recommender.playlists.edits import edited
from recommender.selectors import songs_by_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.models import Song
    from recommender.playlists.edits import Edit
    from recommender.playlists.generate import GeneratedPlaylist
    from recommender.playlists.reasons import EntryReason


class _HasSongId(Protocol):
    @property
    def song_id(self) -> int: ...


Row = TypeVar("Row", bound=_HasSongId)


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A song in its place in a list, with its score and why it is there.

    The song has its library and, for `selectors.current_emotion`, its emotion loaded.
    """

    position: int
    song: Song
    score: float | None
    reason: EntryReason | None
    """Neither is known of a song that was added by hand."""
    is_pinned: bool = False

    @property
    def song_id(self) -> int:
        """The id of the song."""
        return self.song.pk


def gone_notes(playlist: Playlist) -> list[str]:
    """Return the note that songs of a list of `playlist_list` are left out, if any are."""
    # Annotations, which the class does not declare.
    gone = vars(playlist)["kept_count"] - vars(playlist)["entry_count"]
    return [left_out_note(gone)] if gone else []


def left_out_note(count: int) -> str:
    """Return the note on `count` songs whose files are gone."""
    note = ngettext(
        "One song is left out: its file is gone.",
        "%(count)s songs are left out: their files are gone.",
        count,
    )
    return note % {"count": count}


def with_songs(rows: Iterable[Row], *, model_version: str | None = None) -> list[tuple[Row, Song]]:
    """Return each row with its song, loaded in one query, without rows whose song is gone."""
    rows = list(rows)
    songs = songs_by_id((row.song_id for row in rows), model_version=model_version)
    return [(row, songs[row.song_id]) for row in rows if row.song_id in songs]


def playlist_listed(playlist: GeneratedPlaylist | Playlist) -> list[ListedEntry]:
    """Return the entries of a generated or kept list in order, without songs that are gone."""
    if isinstance(playlist, Playlist):
        kept = with_songs(playlist.entries.order_by("position"))
        return [
            ListedEntry(row.position, song, row.score, row.reason or None, row.is_pinned)
            for row, song in kept
        ]
    positions = {entry.song_id: position for position, entry in enumerate(playlist.entries)}
    return [
        ListedEntry(positions[song.pk], song, entry.score, entry.reason)
        for entry, song in with_songs(playlist.entries, model_version=playlist.model_version)
    ]


def playlist_edited(entries: Sequence[ListedEntry], edits: Sequence[Edit]) -> list[ListedEntry]:
    """Return the entries of a list that is not kept after changes by hand."""
    songs = songs_by_id(edit.song_id for edit in edits if edit.kind == "add")

    def made(song_id: int) -> ListedEntry | None:
        song = songs.get(song_id)
        return None if song is None else ListedEntry(0, song, None, None)

    changed = edited(entries, edits, made=made)
    return [replace(entry, position=position) for position, entry in enumerate(changed)]
