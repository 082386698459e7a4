"""`manage.py playlist`: a playlist in the terminal."""

from __future__ import annotations

import json
import os
import textwrap
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from catalog.errors import PathError
from catalog.models import Song
from catalog.selectors import song_path
from mer.affect import AffectPoint
from mer.errors import MerError
from recommender.errors import PlaylistRequestError
from recommender.exports.m3u8 import playlist_m3u8
from recommender.moods import MOODS
from recommender.playlists.generate import GeneratedPlaylist, playlist_generate
from recommender.playlists.request import PlaylistRequest, mood_from_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.core.management.base import CommandParser

_WIDE = 32


class Command(BaseCommand):
    help = (
        "Make a playlist by moods, a point of the valence-arousal plane, words, songs or a "
        "listener's history; several together are blended. Moods: "
        f"{', '.join(MOODS)} and everyday words for them; any other is read as words."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        target = parser.add_argument_group("what to play (at least one)")
        target.add_argument(
            "--mood", action="append", default=[], metavar="NAME[:WEIGHT][,NAME[:WEIGHT]...]"
        )
        target.add_argument("--valence", type=float, help="0 unpleasant to 1 pleasant")
        target.add_argument("--arousal", type=float, help="0 calm to 1 lively")
        target.add_argument("--text", default="", help="any words")
        target.add_argument("--like", type=int, nargs="+", default=[], metavar="ID", help="songs")
        target.add_argument("--history", metavar="USERNAME", help="what this user has heard")
        how = parser.add_argument_group("how")
        how.add_argument("--count", type=int, default=PlaylistRequest.count)
        how.add_argument("--seed", type=int, help="the same seed gives the same list")
        how.add_argument(
            "--diversity", type=float, default=PlaylistRequest.diversity, help="0 to 1"
        )
        how.add_argument("--genre", default="")
        how.add_argument("--year-from", type=int)
        how.add_argument("--year-to", type=int)
        how.add_argument("--max-per-artist", type=int, default=PlaylistRequest.max_per_artist)
        how.add_argument("--artist-spacing", type=int, default=PlaylistRequest.artist_spacing)
        how.add_argument("--format", choices=["text", "json", "m3u8"], default="text")

    def handle(self, *args: object, **options: Any) -> None:
        try:
            request = _request(options)
            generated = playlist_generate(request=request, user=_listener(options["history"]))
        except (PlaylistRequestError, MerError) as error:
            raise CommandError(f"{error} ({error.code})") from error
        songs = Song.objects.select_related("library").in_bulk(
            [entry.song_id for entry in generated.entries]
        )
        write = {"text": _as_text, "json": _as_json, "m3u8": _as_m3u8}[options["format"]]
        self.stdout.write(write(generated, songs), ending="")


def _request(options: dict[str, Any]) -> PlaylistRequest:
    axes = (options["valence"], options["arousal"])
    if axes.count(None) == 1:
        raise CommandError("--valence and --arousal go together; give both.")
    return PlaylistRequest(
        moods=tuple(mood_from_text(word) for words in options["mood"] for word in words.split(",")),
        point=None if None in axes else AffectPoint(*axes),
        text=options["text"],
        song_ids=tuple(options["like"]),
        history=options["history"] is not None,
        count=options["count"],
        diversity=options["diversity"],
        seed=options["seed"],
        artist_spacing=options["artist_spacing"],
        max_per_artist=options["max_per_artist"],
        genre=options["genre"],
        year_from=options["year_from"],
        year_to=options["year_to"],
    )


def _listener(username: str | None) -> User | None:
    if username is None:
        return None
    user = get_user_model().objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"--history: there is no user {username!r}.")
    return user


def _as_text(generated: GeneratedPlaylist, songs: dict[int, Song]) -> str:
    lines = [
        f"Target: valence {generated.valence:.2f}, arousal {generated.arousal:.2f}"
        + "".join(f", {name} {weight:.0%}" for name, weight in generated.emotions.items()),
        "",
        f"{'#':>3}  {'score':>5}  {'V':>4}  {'A':>4}  {'id':>6}  {'artist':{_WIDE}}  title",
    ]
    for number, entry in enumerate(generated.entries, start=1):
        song, reason = songs[entry.song_id], entry.reason
        artist = textwrap.shorten(song.artist or "-", _WIDE, placeholder="…")
        lines.append(
            f"{number:3}  {entry.score:5.3f}  {reason['valence']:4.2f}  {reason['arousal']:4.2f}  "
            f"{song.pk:6}  {artist:{_WIDE}}  {song.title or song.relative_path}"
        )
        lines.append(f"{'':3}  {reason['sentence']}")
    lines += ["", *generated.notes, f"Seed {generated.seed}, model {generated.model_version}"]
    return "\n".join(lines) + "\n"


def _as_json(generated: GeneratedPlaylist, songs: dict[int, Song]) -> str:
    plain = {
        "request": generated.request.to_json(),
        "seed": generated.seed,
        "model_version": generated.model_version,
        "valence": generated.valence,
        "arousal": generated.arousal,
        "emotions": generated.emotions,
        "notes": list(generated.notes),
        "entries": [
            {
                "song_id": entry.song_id,
                "title": songs[entry.song_id].title,
                "artist": songs[entry.song_id].artist,
                "score": entry.score,
                "reason": entry.reason,
            }
            for entry in generated.entries
        ],
    }
    return json.dumps(plain, ensure_ascii=False, indent=2) + "\n"


def _as_m3u8(generated: GeneratedPlaylist, songs: dict[int, Song]) -> str:
    return playlist_m3u8(
        songs=[songs[entry.song_id] for entry in generated.entries], location=_absolute_path
    )


def _absolute_path(song: Song) -> str:
    try:
        # A name that is no UTF-8 cannot stand in a UTF-8 list; show it rather than fail all.
        return os.fsencode(song_path(song)).decode("utf-8", "replace")
    except PathError as error:
        raise CommandError(str(error)) from error
