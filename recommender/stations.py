"""Stations: a request whose list is made again in place, by a schedule or by hand.

Each list is a version, a `Playlist` of the station. A new version, its number and the next time are
one transaction, so a process that is killed makes none or all of it, and two processes that find
the same station due make one version. A list without a song is no version: the former one stays.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta, tzinfo
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop, override
from rest_framework.exceptions import APIException

from catalog.errors import machine_errors_raise
from catalog.retold import kept
from mer.errors import MerError
from recommender.errors import PlaylistErrorCode, PlaylistRequestError, RecommenderError
from recommender.models import Playlist, PlaylistEntry, Station
from recommender.playlists import PlaylistRequest, playlist_generate, playlist_save, worded
from recommender.playlists.constraints import MAX_EXCLUDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from recommender.playlists import GeneratedPlaylist

logger = logging.getLogger(__name__)

_NOTHING_NEW: Final = kept(gettext_noop("No new version: %(why)s"))
_NOT_UNDERSTOOD: Final = kept(
    gettext_noop("No new version: this is not understood: %(texts)s. Change its words.")
)
_NO_GOOD_MATCH: Final = kept(gettext_noop("No new version: no song is a good match."))
MAX_STATIONS: Final = 100
"""Of one listener."""
KEPT_VERSIONS: Final = 10
"""Older versions are deleted; the current one stays."""
BATCH: Final = 1000
"""At most so many stations are read at a time."""
WORKING_SECONDS: Final = 40.0
"""Of every minute, which is how often the schedule calls `stations_refresh_due`."""
_OF_THE_SERVER: Final = (PlaylistErrorCode.CATALOG_EMPTY, PlaylistErrorCode.WORDS_UNAVAILABLE)
_TIMES: Final = ("schedule", "hour", "weekday", "time_zone")
"""The fields that decide when a station is due."""
RETRY: Final = timedelta(minutes=10)
"""A station that could not be made for a reason of the server is tried again after this."""


def station_create(*, user: User, request: PlaylistRequest, **fields: Any) -> Station:
    """Make a station, without a version yet; ValueError says why it cannot be.

    `fields` are those of `Station` that a listener sets.
    """
    if Station.objects.filter(user=user).count() >= MAX_STATIONS:
        raise ValueError(f"You have {MAX_STATIONS} stations; delete one first.")
    station = Station(user=user, request=request.replace(seed=None).to_json())
    return station_change(station=station, fields=fields)


def station_change(*, station: Station, fields: Mapping[str, Any]) -> Station:
    """Set fields of a station and its next time; ValueError says what is wrong with them."""
    for name, value in fields.items():
        setattr(station, name, value)
    if station.time_zone not in available_timezones():
        raise ValueError(
            f"time_zone {station.time_zone!r} is not known; use a name like Asia/Tokyo."
        )
    changed = dict(fields)
    times = {name: getattr(station, name) for name in _TIMES}
    # One that is due stays due when something else of it is changed.
    if not Station.objects.filter(pk=station.pk, **times).exists():
        changed["next_at"] = station.next_at = next_time(station, timezone.now())
    if station._state.adding:
        station.save()
    else:
        # The other columns may be another process's by now, which has made a version.
        Station.objects.filter(pk=station.pk).update(**changed)
    return station


def takes_weaker(station: Station) -> bool:
    """Return whether weaker matches fill the lists of a station."""
    try:
        return PlaylistRequest.from_json(station.request).min_match == 0
    except PlaylistRequestError:
        return False


def with_weaker(station: Station, *, takes: bool) -> dict[str, Any]:
    """Return the request of a station, to be set with `station_change`, with or without them."""
    if takes == takes_weaker(station):
        return dict(station.request)
    request = PlaylistRequest.from_json(station.request)
    floor = 0.0 if takes else PlaylistRequest.min_match.default
    return request.replace(min_match=floor).to_json()


def has_weaker(station: Station, current: Playlist | None) -> bool:
    """Return whether a list of the station may be short because weaker matches are left out."""
    if takes_weaker(station):
        return False
    return station.notes[:1] == [_NO_GOOD_MATCH] or bool(current and current.notes)


def next_time(station: Station, after: datetime) -> datetime | None:
    """Return when a station is due next after a moment; None if it is made by hand."""
    if station.schedule == Station.Schedule.BY_HAND:
        return None
    zone = _zone(station)
    day = after.astimezone(zone).date()
    is_weekly = station.schedule == Station.Schedule.WEEKLY
    while True:
        due = datetime.combine(day, time(station.hour), zone).astimezone(UTC)
        if due > after and (not is_weekly or day.weekday() == station.weekday):
            return due
        day += timedelta(days=1)


def _zone(station: Station) -> tzinfo:
    try:
        return ZoneInfo(station.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        logger.warning("Station %s: no time zone %r here; UTC", station.pk, station.time_zone)
        return UTC


def current_version(station: Station) -> Playlist | None:
    """Return the version in use: the restored one or the newest; None if there is none.

    It costs no query for a station of `selectors.station_list`.
    """
    versions = {one.station_version or 0: one for one in station.versions.all()}
    return versions.get(station.current) or versions.get(max(versions, default=0))


def needs_network(station: Station) -> bool:
    """Return whether the networks have to rate words for the next version."""
    try:
        return worded(PlaylistRequest.from_json(station.request)).needs_network
    except PlaylistRequestError:
        return False  # `station_refresh` notes it


def station_refresh(*, station: Station, due_at: datetime | None = None) -> bool:
    """Make a new version, and return whether there is one; else `Station.notes` say why not.

    With `due_at` nothing is made if the station is no longer due at that time.
    """
    with override(settings.LANGUAGE_CODE):  # as notes are kept
        generated, notes, is_soon = _generated(station)
    with transaction.atomic():
        held = Station.objects.select_for_update().filter(pk=station.pk).first()
        if held is None or (due_at is not None and held.next_at != due_at):
            return False
        if generated is not None:
            playlist = playlist_save(user=held.user, generated=generated, name=held.name)
            held.version += 1
            held.current = held.version
            Playlist.objects.filter(pk=playlist.pk).update(
                station=held, station_version=held.version
            )
            _old_versions_delete(held)
        held.notes = notes
        now = timezone.now()
        held.next_at = next_time(held, now)
        if is_soon and held.next_at is not None:
            held.next_at = min(held.next_at, now + RETRY)
        held.save(update_fields=["version", "current", "notes", "next_at"])
    station.refresh_from_db()
    return generated is not None


def station_restore(*, station: Station, version: int) -> bool:
    """Let a former version be the current one; return whether it is there."""
    if not station.versions.filter(station_version=version).exists():
        return False
    station.current = version
    Station.objects.filter(pk=station.pk).update(current=version)
    return True


def stations_refresh_due() -> int:
    """Make the versions of stations that are due, the longest due first; return their number.

    No station is begun after `WORKING_SECONDS`; the next call goes on with the others.
    """
    end = monotonic() + WORKING_SECONDS
    made = 0
    for station in _due():
        if monotonic() > end:
            break
        # It is put off first: one that ends the process then keeps no other waiting.
        later = timezone.now() + RETRY
        if not Station.objects.filter(pk=station.pk, next_at=station.next_at).update(next_at=later):
            continue  # another process is making it
        try:
            made += station_refresh(station=station, due_at=later)
        except (RecommenderError, MerError, APIException) as error:
            logger.warning("Station %s is made later: %s", station.pk, error)
        except Exception as error:  # one bad station must not keep all others waiting
            machine_errors_raise(error)
            logger.exception("Station %s is made later", station.pk)
    return made


def _due() -> QuerySet[Station]:
    due = Station.objects.filter(next_at__lte=timezone.now(), user__is_active=True)
    return due.select_related("user").order_by("next_at", "pk")[:BATCH]


def _generated(station: Station) -> tuple[GeneratedPlaylist | None, list[str], bool]:
    """Return a list with songs, or why there is none, and whether to try again soon."""
    try:
        request = PlaylistRequest.from_json(station.request)
        excluded = dict.fromkeys([*request.value("exclude_song_ids"), *_songs_lately(station)])
        request = request.replace(exclude_song_ids=tuple(excluded)[:MAX_EXCLUDED])
        generated = playlist_generate(request=request, user=station.user)
    except PlaylistRequestError as error:
        return None, [_why_nothing(error)], error.code in _OF_THE_SERVER
    if not generated.entries:
        return None, [_NO_GOOD_MATCH, *generated.notes], False
    return generated, [], False


def _why_nothing(error: PlaylistRequestError) -> str:
    """Return the note on a list that could not be made; it is retold later."""
    texts = error.details.get("not_understood")
    # The error itself ends with examples, which are no registered message.
    if isinstance(texts, list) and texts:
        return _NOT_UNDERSTOOD % {"texts": ", ".join(f"“{text}”" for text in texts)}
    return _NOTHING_NEW % {"why": error}


def _songs_lately(station: Station) -> list[int]:
    """Return the songs of the last versions that a new one leaves out."""
    if not station.fresh_versions:
        return []
    first = station.version - station.fresh_versions
    versions = station.versions.filter(station_version__gt=first)
    entries = PlaylistEntry.objects.filter(playlist__in=versions).order_by("song_id")
    return list(entries.values_list("song_id", flat=True).distinct())


def _old_versions_delete(station: Station) -> None:
    station.versions.filter(station_version__lte=station.version - KEPT_VERSIONS).delete()
