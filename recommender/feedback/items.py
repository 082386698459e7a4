"""What a listener said, one thing a row, for lists of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload

from recommender.feedback.reading import SKIPS_USED
from recommender.feedback.writing import FeedbackKind
from recommender.models import ArtistBan, Skip, SongFeedback
from recommender.paging import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from django.contrib.auth.models import User

    from catalog.models import Artist, Song


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """One thing that a listener said; what does not belong to its kind is None."""

    kind: FeedbackKind
    when: datetime
    song: Song | None = None
    artist: Artist | None = None
    stars: int | None = None
    share_played: float | None = None
    valence: float | None = None
    arousal: float | None = None
    said_valence: float | None = None
    said_arousal: float | None = None

    @property
    def name(self) -> str:
        """The title of the song, or the name of the artist."""
        if self.song is not None:
            return self.song.shown_title
        return "" if self.artist is None else self.artist.name


class _Key(NamedTuple):
    """An item that is not loaded: the row of its table, and when it was said."""

    when: datetime
    kind: FeedbackKind
    pk: int


class FeedbackItems(Sequence[FeedbackItem]):
    """What a listener said, the newest first; an item is loaded when it is read.

    So a page costs what its items cost, however much was said.
    """

    def __init__(self, keys: list[_Key]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> FeedbackItem: ...
    @overload
    def __getitem__(self, at: slice) -> list[FeedbackItem]: ...
    def __getitem__(self, at: int | slice) -> FeedbackItem | list[FeedbackItem]:
        if isinstance(at, slice):
            return list(_loaded(self._keys[at]))
        for item in _loaded([self._keys[at]]):
            return item
        raise IndexError("it was taken back meanwhile")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the values of a place in the list."""
        return _Key._fields

    def total(self) -> int:
        """Return the number of items."""
        return len(self)

    def slice(self, *, place: tuple[Any, ...], size: int, is_back: bool) -> Slice:
        """Return the keys of `size` items behind a place, or before it."""
        keys = self._keys[::-1] if is_back else self._keys
        if place:
            keys = [key for key in keys if (key > place if is_back else key < place)]
        found = keys[:size]
        return Slice([*(found[::-1] if is_back else found)], len(keys) > size)

    def read(self, found: Slice) -> list[FeedbackItem]:
        """Return the items of a slice."""
        return list(_loaded([_Key(*key) for key in found.values]))

    def of_kind(self, kind: FeedbackKind) -> FeedbackItems:
        """Return the items of one kind."""
        return FeedbackItems([key for key in self._keys if key.kind is kind])


def feedback_items(*, user: User, kind: FeedbackKind | None = None) -> FeedbackItems:
    """Return what `user` said, or what of one kind, the newest first; of skips the last 1000."""
    keys = [*_of_songs(user), *_skips(user), *_of_artists(user)]
    items = FeedbackItems(sorted(keys, reverse=True))
    return items if kind is None else items.of_kind(kind)


_MOMENTS: Final[Mapping[FeedbackKind, str]] = {
    FeedbackKind.LIKE: "liked_at",
    FeedbackKind.BAN: "banned_at",
    FeedbackKind.RATING: "rated_at",
    FeedbackKind.MOOD: "felt_at",
}


def _of_songs(user: User) -> Iterator[_Key]:
    rows = SongFeedback.objects.filter(user=user).order_by("-pk")
    for pk, *moments in rows.values_list("pk", *_MOMENTS.values()):
        for kind, when in zip(_MOMENTS, moments, strict=True):
            if when:
                yield _Key(when, kind, pk)


def _skips(user: User) -> Iterator[_Key]:
    rows = Skip.objects.filter(user=user).order_by("-skipped_at", "-pk")
    for pk, when in rows.values_list("pk", "skipped_at")[:SKIPS_USED]:
        yield _Key(when, FeedbackKind.SKIP, pk)


def _of_artists(user: User) -> Iterator[_Key]:
    rows = ArtistBan.objects.filter(user=user).order_by("-pk")
    for pk, when in rows.values_list("pk", "banned_at"):
        yield _Key(when, FeedbackKind.ARTIST_BAN, pk)


_SHOWN = (
    *("song__title", "song__artist", "song__relative_path"),
    *("song__media_type", "song__is_available", "song__status", "song__duration_seconds"),
    *("song__album", "song__album_entry", "song__library__kind"),
)


def _loaded(keys: Sequence[_Key]) -> Iterator[FeedbackItem]:
    """Yield the items of keys, in at most three queries; rows that are gone by now are left out."""
    own = [field.name for field in SongFeedback._meta.concrete_fields]
    songs = SongFeedback.objects.select_related("song__library").only(*own, *_SHOWN)
    said = songs.in_bulk(_pks(keys, _MOMENTS))
    skips = Skip.objects.select_related("song__library").only(
        "song", "skipped_at", "share_played", *_SHOWN
    )
    skipped = skips.in_bulk(_pks(keys, [FeedbackKind.SKIP]))
    bans = ArtistBan.objects.select_related("artist").in_bulk(_pks(keys, [FeedbackKind.ARTIST_BAN]))
    for key in keys:
        if key.kind is FeedbackKind.ARTIST_BAN:
            if ban := bans.get(key.pk):
                yield FeedbackItem(key.kind, key.when, artist=ban.artist)
        elif key.kind is FeedbackKind.SKIP:
            if skip := skipped.get(key.pk):
                yield FeedbackItem(key.kind, key.when, skip.song, share_played=skip.share_played)
        elif row := said.get(key.pk):
            yield _item_of_song(key, row)


def _pks(keys: Iterable[_Key], kinds: Iterable[FeedbackKind]) -> set[int]:
    wanted = {*kinds}
    return {key.pk for key in keys if key.kind in wanted}


def _item_of_song(key: _Key, row: SongFeedback) -> FeedbackItem:
    if key.kind is FeedbackKind.RATING:
        return FeedbackItem(key.kind, key.when, row.song, stars=row.stars)
    if key.kind is FeedbackKind.MOOD:
        return FeedbackItem(
            key.kind,
            key.when,
            row.song,
            valence=row.felt_valence,
            arousal=row.felt_arousal,
            said_valence=row.said_valence,
            said_arousal=row.said_arousal,
        )
    return FeedbackItem(key.kind, key.when, row.song)
