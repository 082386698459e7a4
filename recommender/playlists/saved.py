"""Playlists that a user keeps: saved, changed by hand, restored, shared."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from catalog.models import Song
from catalog.retold import kept
from mer.affect import AffectPoint
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.models import Playlist, PlaylistEntry, PlaylistVersion
from recommender.playlists.constraints import MAX_EXCLUDED
from recommender.playlists.edits import edited
from recommender.playlists.naming import playlist_name, song_kept
from recommender.playlists.request import PlaylistRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User

    from recommender.playlists.edits import Edit
    from recommender.playlists.generate import GeneratedPlaylist

KEPT_VERSIONS: Final = 50
"""So many versions of a list can be restored."""
_FIRST: Final = kept(gettext_noop("As it was saved"))
_MADE_AGAIN: Final = kept(gettext_noop("Made again, with the seed %(seed)s"))
_CHANGES: Final = {
    "move": (
        kept(gettext_noop("Moved %(song)s")),
        kept(gettext_noop("Moved %(song)s, and %(count)s more")),
    ),
    "remove": (
        kept(gettext_noop("Removed %(song)s")),
        kept(gettext_noop("Removed %(song)s, and %(count)s more")),
    ),
    "add": (
        kept(gettext_noop("Added %(song)s")),
        kept(gettext_noop("Added %(song)s, and %(count)s more")),
    ),
    "pin": (
        kept(gettext_noop("Pinned %(song)s")),
        kept(gettext_noop("Pinned %(song)s, and %(count)s more")),
    ),
    "unpin": (
        kept(gettext_noop("Unpinned %(song)s")),
        kept(gettext_noop("Unpinned %(song)s, and %(count)s more")),
    ),
}
"""Of the first change, alone and with more."""
_TOLD: Final = ("seed", "model_version", "notes", "understood", "not_understood", "target")
_TOKEN_BYTES: Final = 24
_DRAWN_SEEDS: Final = 2**31


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is stored of an entry; a song that was added by hand has neither score nor reason."""

    song_id: int
    score: float | None = None
    reason: Mapping[str, Any] | None = None
    is_pinned: bool = False


@transaction.atomic
def playlist_save(
    *, user: User, generated: GeneratedPlaylist, name: str = "", edits: Sequence[Edit] = ()
) -> Playlist:
    """Keep a generated list for `user`, whole or not at all; without a name one is made up.

    Songs deleted since it was generated are left out. `edits` are made before it is kept.
    """
    kept = [_Kept(entry.song_id, entry.score, entry.reason) for entry in generated.entries]
    playlist = Playlist.objects.create(
        user_id=user.pk,
        name=name.strip()[:200] or playlist_name(generated.request),
        request=generated.request.to_json(),
        **_told_of(generated),
    )
    _entries_set(playlist, edited(kept, edits, made=_Kept))
    return playlist


@transaction.atomic
def playlist_by_hand(*, user: User, name: str, song_ids: Iterable[int]) -> Playlist:
    """Keep songs that somebody chose; no request makes the list again."""
    playlist = Playlist.objects.create(
        user_id=user.pk, name=name, request={}, seed=0, model_version=""
    )
    _entries_set(playlist, [_Kept(pk) for pk in song_ids])
    return playlist


@transaction.atomic
def playlist_edit(*, playlist: Playlist, edits: Sequence[Edit]) -> Playlist:
    """Change a saved list; the former one stays as a version.

    Raises `PlaylistRequestError` if the list would be too long.
    """
    playlist = _locked(playlist)
    before = _entries_of(playlist)
    is_gone = {"song__is_available": False}
    hidden = set(playlist.entries.filter(**is_gone).values_list("song_id", flat=True))
    there = _existing(edit.song_id for edit in edits if edit.kind == "add")
    after = edited(
        before,
        edits,
        made=lambda pk: _Kept(pk) if pk in there else None,
        pinned=lambda row, is_pinned: replace(row, is_pinned=is_pinned),
        hidden=hidden,
    )
    return _changed(playlist, before, after, _change_in_words(edits))


def request_again(
    playlist: Playlist, *, pinned: Collection[int] | None = None, seed: int | None = None
) -> PlaylistRequest:
    """Return the request of a list, with another seed and without the songs that keep their places.

    Those are the `pinned` ones; without any given, those that the list pins.
    Raises `PlaylistRequestError` if the list was made by hand.
    """
    if not playlist.request:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext("This list was made by hand; there is no request for it."),
            {"field": "id"},
        )
    request = PlaylistRequest.from_json(playlist.request)
    stays = [one.song_id for one in _staying(_entries_of(playlist), pinned).values()]
    excluded = [*stays, *request.value("exclude_song_ids")][:MAX_EXCLUDED]
    drawn = secrets.randbelow(_DRAWN_SEEDS) if seed is None else seed
    return request.replace(seed=drawn, exclude_song_ids=excluded)


def _staying(entries: Sequence[_Kept], pinned: Collection[int] | None) -> dict[int, _Kept]:
    """Return the entries that keep their places, by these."""
    return {
        at: entry
        for at, entry in enumerate(entries)
        if (entry.is_pinned if pinned is None else entry.song_id in pinned)
    }


@transaction.atomic
def playlist_regenerate(
    *, playlist: Playlist, generated: GeneratedPlaylist, pinned: Collection[int] | None = None
) -> Playlist:
    """Put the songs of a new list in place of a saved one's; the former one stays as a version.

    The `pinned` songs of the saved list keep their places; without any given, those that it pins
    now. The seed, the target and the notes are those of the new list until the former version is
    restored.
    """
    playlist = _locked(playlist)
    before = _entries_of(playlist)
    stays = _staying(before, pinned)
    stay_ids = {entry.song_id for entry in stays.values()}
    fresh = [
        _Kept(entry.song_id, entry.score, entry.reason)
        for entry in generated.entries
        if entry.song_id not in stay_ids
    ]
    change = _MADE_AGAIN % {"seed": generated.seed}
    _version_keep(playlist, before)
    _tell(playlist, _told_of(generated))
    wanted = generated.request
    # A list of so many minutes has about as many songs as the new one.
    count = wanted.count if wanted.minutes is None else len(fresh)
    return _version_new(playlist, _around(stays, fresh, count), change)


def _tell(playlist: Playlist, told: Mapping[str, Any]) -> None:
    """Give a list other values of `_TOLD`; its request stays, except for a seed in it."""
    if "seed" in playlist.request and "seed" in told:
        playlist.request = {**playlist.request, "seed": told["seed"]}
    for name, value in told.items():
        setattr(playlist, name, value)
    playlist.save(update_fields=["request", *told])


def _told_of(generated: GeneratedPlaylist) -> dict[str, Any]:
    """Return what a saved list tells of how it was made, by the names in `_TOLD`."""
    return {
        "seed": generated.seed,
        "model_version": generated.model_version,
        "notes": list(generated.notes),
        "understood": [part.to_json() for part in generated.understood],
        "not_understood": list(generated.not_understood),
        "target": {"valence": generated.valence, "arousal": generated.arousal},
    }


def _around(stays: Mapping[int, _Kept], fresh: Sequence[_Kept], count: int) -> list[_Kept]:
    """Return at most `count` entries, with those that stay at their places."""
    after = list(fresh[: max(0, count - len(stays))])
    for at, entry in sorted(stays.items()):
        after.insert(at, entry)  # at the end, if there are fewer
    return after


def _changed(
    playlist: Playlist, before: Sequence[_Kept], after: Sequence[_Kept], change: str
) -> Playlist:
    """Let a list have other entries, as a new version; the same ones make none."""
    if list(after) == list(before):
        return playlist
    _version_keep(playlist, before)
    return _version_new(playlist, after, change)


def _version_keep(playlist: Playlist, entries: Sequence[_Kept]) -> None:
    """Keep a list as it is, if no version of it is kept yet."""
    current = playlist.history.filter(number=playlist.version)
    if not current.exists():
        _version_add(playlist, playlist.version, None, _FIRST, entries)
    current.filter(told={}).update(told=_told_by(playlist))  # kept before versions had the field


def _version_new(playlist: Playlist, after: Sequence[_Kept], change: str) -> Playlist:
    last = playlist.history.order_by("-number").values_list("number", flat=True)[0]
    _entries_set(playlist, after)
    _version_add(playlist, last + 1, playlist.version, change, after)
    _version_use(playlist, last + 1)
    playlist.history.filter(number__lte=last + 1 - KEPT_VERSIONS).delete()
    return playlist


@transaction.atomic
def playlist_restore(*, playlist: Playlist, version: int) -> bool:
    """Let a version be the current one again; return whether it is there. None is lost by it.

    Its seed, its target and its notes come back with its songs.
    """
    playlist = _locked(playlist)
    held = playlist.history.filter(number=version).first()
    if held is None:
        return False
    _entries_set(playlist, [_Kept(**entry) for entry in held.entries])
    _tell(playlist, held.told)
    _version_use(playlist, version)
    return True


def playlist_undo(*, playlist: Playlist) -> bool:
    """Take the last change back; return whether there was one."""
    current = playlist.history.filter(number=playlist.version).first()
    parent = current.parent if current else None
    return parent is not None and playlist_restore(playlist=playlist, version=parent)


def playlist_redo(*, playlist: Playlist) -> bool:
    """Make the change again that was taken back last; return whether there was one."""
    child = playlist.history.filter(parent=playlist.version).order_by("-number").first()
    return child is not None and playlist_restore(playlist=playlist, version=child.number)


def playlist_rename(*, playlist: Playlist, name: str) -> None:
    """Give a list another name; what else changed since it was read stays."""
    Playlist.objects.filter(pk=playlist.pk).update(name=name)
    playlist.name = name


def playlist_share(*, playlist: Playlist) -> str:
    """Return the token of the address where anyone may read a list; it stays until it is ended."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    Playlist.objects.filter(pk=playlist.pk, share_token=None).update(share_token=token)
    playlist.refresh_from_db(fields=["share_token"])
    return playlist.share_token or ""


def playlist_unshare(*, playlist: Playlist) -> None:
    """End the address of a list for good; sharing it again makes another one."""
    Playlist.objects.filter(pk=playlist.pk).update(share_token=None)
    playlist.share_token = None


def last_target(user: User | AnonymousUser) -> AffectPoint | None:
    """Return the target of the list that a user kept last, None if there is none.

    Lists that were made by hand have none.
    """
    if not user.is_authenticated:
        return None
    own = Playlist.objects.filter(user_id=user.pk, station__isnull=True).exclude(target={})
    target = own.values_list("target", flat=True).first()
    return AffectPoint(target["valence"], target["arousal"]) if target else None


def _locked(playlist: Playlist) -> Playlist:
    """Return the list, which no other process changes until the transaction ends."""
    return Playlist.objects.select_for_update().get(pk=playlist.pk)


def _entries_of(playlist: Playlist) -> list[_Kept]:
    rows = playlist.entries.order_by("position")
    return [_Kept(row.song_id, row.score, row.reason or None, row.is_pinned) for row in rows]


def _entries_set(playlist: Playlist, kept: Sequence[_Kept]) -> None:
    """Let a list have these entries, without songs that are deleted."""
    there = _existing(entry.song_id for entry in kept)
    playlist.entries.all().delete()
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(
            playlist=playlist,
            position=position,
            song_id=entry.song_id,
            score=entry.score,
            reason=dict(entry.reason or {}),
            is_pinned=entry.is_pinned,
        )
        for position, entry in enumerate(entry for entry in kept if entry.song_id in there)
    )


def _existing(song_ids: Iterable[int]) -> set[int]:
    return set(Song.objects.filter(pk__in=list(song_ids)).values_list("pk", flat=True))


def _version_add(
    playlist: Playlist, number: int, parent: int | None, change: str, kept: Sequence[_Kept]
) -> None:
    PlaylistVersion.objects.create(
        playlist=playlist,
        number=number,
        parent=parent,
        change=change,
        entries=[asdict(entry) for entry in kept],
        told=_told_by(playlist),
    )


def _told_by(playlist: Playlist) -> dict[str, Any]:
    return {name: getattr(playlist, name) for name in _TOLD}


def _version_use(playlist: Playlist, number: int) -> None:
    playlist.version = number
    Playlist.objects.filter(pk=playlist.pk).update(version=number)


def _change_in_words(edits: Sequence[Edit]) -> str:
    """Name a change for people, such as "Removed “Song”"."""
    first = edits[0]
    message = _CHANGES[first.kind][len(edits) > 1]
    return message % {"song": song_kept(first.song_id), "count": len(edits) - 1}
