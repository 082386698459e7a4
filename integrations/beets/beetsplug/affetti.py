"""A plugin for beets: moods, tempo and key of songs, as an Affetti server has them.

``beet affetti [QUERY]`` reads the analysed songs of the server, a few requests for a whole library,
and matches them with items: by the recording's MusicBrainz id, else by artist, title and length.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import mediafile
import requests
from beets import config, plugins, ui
from beets.dbcore import types
from beets.exceptions import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from optparse import Values

    from beets.library import Item, Library

_PAGE: Final = 500
_SECONDS: Final = 60
_SAME_LENGTH: Final = 5.0
"""Seconds by which the lengths of one recording may differ."""

Song = dict[str, Any]


class AffettiPlugin(plugins.BeetsPlugin):
    """Writes `affetti_valence` and `affetti_arousal`, and `mood`, `bpm` and `initial_key` if empty.

    `affetti_mood` is the mood that it wrote: a `mood` that differs is the user's.
    """

    item_types = {"affetti_valence": types.FLOAT, "affetti_arousal": types.FLOAT}

    def __init__(self) -> None:
        super().__init__()
        self.config.add({"url": "http://127.0.0.1:8000", "token": "", "force": False})
        self.config["token"].redact = True
        self.add_media_field("mood", _mood_field())

    def commands(self) -> list[Any]:
        """Return the command `affetti`."""
        command = ui.Subcommand("affetti", help="fetch moods, tempo and key from Affetti")
        command.parser.add_option(
            *("-f", "--force"),
            action="store_true",
            help="replace mood, tempo and key that items have already",
        )
        command.parser.add_option(
            *("-p", "--pretend"), action="store_true", help="show changes and make none"
        )
        command.func = self._command
        return [command]

    def _command(self, library: Library, options: Values, words: list[str]) -> None:
        songs = _Songs(self._fetched())
        force = bool(options.force or self.config["force"].get(bool))
        counts: Counter[str] = Counter()
        for item in library.items(words):
            song = songs.of(item)
            counts["found" if song else "not found"] += 1
            if song is None:
                self._log.info("not found: {}", item)
                continue
            for name, value in _changes(item, song, force=force):
                item[name] = value
            if options.pretend:
                ui.show_model_changes(item)
            else:
                item.store()
                if config["import"]["write"].get(bool):
                    item.try_write()
        ui.print_(f"{counts['found']} songs found, {counts['not found']} not found")

    def _fetched(self) -> Iterator[Song]:
        """Yield every analysed song of the server; UserError if it cannot be asked."""
        address = str(self.config["url"].get(str)).rstrip("/")
        token = str(self.config["token"].get(str))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        page: int | None = 1
        while page is not None:
            query: dict[str, str | int] = {
                "page": page,
                "limit": _PAGE,
                "include_embeddings": "false",
            }
            try:
                answer = requests.get(
                    f"{address}/api/sync", params=query, headers=headers, timeout=_SECONDS
                )
                body = answer.json()
            except (requests.RequestException, ValueError) as error:
                raise UserError(f"affetti: {address} does not answer: {error}") from error
            told = body if isinstance(body, dict) else {}
            if not answer.ok:
                raise UserError(f"affetti: {told.get('error', answer.status_code)}")
            if not isinstance(told.get("tracks"), list) or "next_page" not in told:
                raise UserError(f"affetti: {address} is no Affetti server")
            yield from told["tracks"]
            page = told["next_page"]


class _Songs:
    """The songs of the server, by what beets knows of an item."""

    def __init__(self, songs: Iterable[Song]) -> None:
        self._by_recording: dict[str, Song] = {}
        self._by_name: dict[tuple[str, str], list[Song]] = {}
        for song in songs:
            if song["musicbrainz_recording_id"]:
                self._by_recording[song["musicbrainz_recording_id"]] = song
            name = (_folded(song["artist"]), _folded(song["title"]))
            self._by_name.setdefault(name, []).append(song)

    def of(self, item: Item) -> Song | None:
        """Return the song that an item is; None if there is none, or several that differ."""
        if song := self._by_recording.get(item.mb_trackid or ""):
            return song
        named = self._by_name.get((_folded(item.artist), _folded(item.title)), [])
        fitting = [song for song in named if _is_as_long(item, song)]
        album = _folded(item.album)
        return next(
            (song for song in fitting if _folded(song["album"] or "") == album),
            fitting[0] if len(fitting) == 1 else None,
        )


def _is_as_long(item: Item, song: Song) -> bool:
    length = song["duration_seconds"]
    return not item.length or length is None or abs(item.length - length) <= _SAME_LENGTH


def _folded(text: str) -> str:
    """Return a text without case, accents and doubled spaces."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def _changes(item: Item, song: Mapping[str, Any], *, force: bool) -> Iterator[tuple[str, Any]]:
    if force or not item.get("mood") or item.get("mood") == item.get("affetti_mood"):
        yield "mood", song["mood"]
        yield "affetti_mood", song["mood"]
    yield "affetti_valence", song["valence"]
    yield "affetti_arousal", song["arousal"]
    if song["tempo"] and (force or not item.bpm):
        yield "bpm", round(song["tempo"])
    if song["key"] and (force or not item.initial_key):
        yield "initial_key", song["key"] + ("m" if song["scale"] == "minor" else "")


def _mood_field() -> mediafile.MediaField:
    """Return where files of each kind keep their mood."""
    return mediafile.MediaField(
        mediafile.MP3StorageStyle("TMOO"),
        mediafile.MP4StorageStyle("----:com.apple.iTunes:MOOD"),
        mediafile.StorageStyle("MOOD"),
        mediafile.ASFStorageStyle("WM/Mood"),
    )
