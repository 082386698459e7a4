"""`manage.py playlist`: a playlist in the terminal."""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from catalog.errors import PathError, StoreAwayError
from catalog.selectors import song_path
from catalog.stores.addresses import address_of, in_store
from mer.errors import MerError
from recommender.errors import PlaylistRequestError
from recommender.exports import FORMATS
from recommender.moods import MOODS
from recommender.playlists import (
    FIELDS,
    ListedEntry,
    PlaylistRequest,
    left_out_note,
    playlist_generate,
    playlist_listed,
)
from recommender.playlists.fields import Group
from recommender.playlists.listed import with_songs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from django.contrib.auth.models import User
    from django.core.management.base import CommandParser

    from catalog.models import Song
    from recommender.playlists import GeneratedPlaylist
    from recommender.playlists.fields import Field

    _Group: TypeAlias = Any  # argparse's own class of groups is private

_WIDE: Final = 32
_TITLES: Final = {
    Group.TARGET: "target (at least one; several are blended)",
    Group.CHOICE: "choice and order",
    Group.CONSTRAINT: "constraints",
}


class Command(BaseCommand):
    help = (
        "Make a playlist by moods, a point of the valence-arousal plane, words, songs or a "
        f"listener's history. Moods: {', '.join(MOODS)} and everyday words for them; any other "
        "is read as words."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for group, title in _TITLES.items():
            arguments = parser.add_argument_group(title)
            for field in FIELDS.values():
                if field.group is group:
                    _add_field(arguments, field)
        parser.add_argument(
            "--listener",
            metavar="USERNAME",
            help="whose listening and feedback count (default: the user of --history)",
        )
        parser.add_argument("--format", choices=["text", "json", *FORMATS], default="text")

    def handle(self, *args: object, **options: Any) -> None:
        try:
            request = PlaylistRequest.from_words(_words(options))
            user = _listener(request, options["listener"] or options["history"])
            generated = playlist_generate(request=request, user=user)
        except (PlaylistRequestError, MerError) as error:
            raise CommandError(f"{error} ({error.code})") from error
        entries = playlist_listed(generated)
        match options["format"]:
            case "text":
                text = _as_text(generated)
            case "json":
                text = _as_json(generated, entries)
            case suffix:
                text = self._as_file(suffix, entries)
        self.stdout.write(text, ending="")

    def _as_file(self, suffix: str, entries: Sequence[ListedEntry]) -> str:
        """Return the list with the paths of its files, without files that are gone."""
        paths = {entry.song.pk: _absolute_path(entry.song) for entry in entries}
        there = [one for one in entries if paths[one.song.pk] or not one.song.has_audio]
        notes = [left_out_note(len(entries) - len(there))] if len(there) < len(entries) else []
        for entry in entries:
            if entry not in there:
                path = _written(entry.song.path)
                self.stderr.write(f"{path}: left out, its file is gone; ingest its folder again")
        return FORMATS[suffix].write(there, location=lambda song: paths[song.pk], notes=notes)


def _add_field(arguments: _Group, field: Field[Any]) -> None:
    for name in field.inputs:
        words = field.kind.parts.get(name) or field.help
        default = f" (default: {field.default})" if field.default else ""
        arguments.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=field.metavar or None,
            help=f"{words[0].lower()}{words[1:]}{default}".replace("%", "%%"),
            **({"nargs": "+", "action": "extend"} if field.kind.is_list else {}),
        )


def _words(options: dict[str, Any]) -> dict[str, list[str]]:
    """Return what `PlaylistRequest.from_words` takes; lists may be written with commas."""
    words: dict[str, list[str]] = {}
    for field in FIELDS.values():
        for name in field.inputs:
            given = options[name]
            if given is not None and field.kind.is_list:
                words[name] = [part for word in given for part in str(word).split(",")]
            elif given is not None:
                words[name] = [str(given)]
    if words.get("history"):
        words["history"] = ["true"]  # the option says whose
    return words


def _listener(request: PlaylistRequest, username: str | None) -> User | None:
    if username is None:
        for name in ("exclude_heard_days", "never_heard", "liked_only"):
            if request.value(name):
                option = name.replace("_", "-")
                raise CommandError(f"--{option}: name the listener with --listener.")
        return None
    user = get_user_model().objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user {username!r}.")
    return user


def _as_text(generated: GeneratedPlaylist) -> str:
    lines = [
        f"Target: valence {generated.valence:.2f}, arousal {generated.arousal:.2f}"
        + "".join(f", {name} {weight:.0%}" for name, weight in generated.emotions.items()),
        "",
        f"{'#':>3}  {'score':>5}  {'V':>4}  {'A':>4}  {'id':>6}  {'artist':{_WIDE}}  title",
    ]
    rows = with_songs(generated.entries, model_version=generated.model_version)
    for number, (entry, song) in enumerate(rows, start=1):
        reason = entry.reason
        artist = textwrap.shorten(song.artist or "-", _WIDE, placeholder="…")
        lines.append(
            f"{number:3}  {entry.score:5.3f}  {reason['valence']:4.2f}  {reason['arousal']:4.2f}  "
            f"{song.pk:6}  {artist:{_WIDE}}  {song.shown_title}"
        )
        lines.append(f"{'':3}  {reason['sentence']}")
    notes = list(generated.notes)
    if generated.fit is not None:
        notes.append(
            f"Mean distance to the curve {generated.fit.distance:.3f}; "
            f"{generated.fit.forward:.0%} of the steps go forward."
        )
    if generated.weaker_left_out:
        notes.append("For weaker matches, add --min-match 0.")
    lines += ["", *notes, f"Seed {generated.seed}, model {generated.model_version}"]
    return "\n".join(lines) + "\n"


def _as_json(generated: GeneratedPlaylist, entries: Iterable[ListedEntry]) -> str:
    plain = {
        "request": generated.request.to_json(),
        "seed": generated.seed,
        "model_version": generated.model_version,
        "valence": generated.valence,
        "arousal": generated.arousal,
        "emotions": generated.emotions,
        "notes": list(generated.notes),
        "understood": [part.to_json() for part in generated.understood],
        "not_understood": list(generated.not_understood),
        "weaker_left_out": generated.weaker_left_out,
        "relaxed": list(generated.relaxed),
        "fit": asdict(generated.fit) if generated.fit is not None else None,
        "entries": [
            {
                "song_id": entry.song.pk,
                "title": entry.song.title,
                "artist": entry.song.artist,
                "score": entry.score,
                "reason": entry.reason,
            }
            for entry in entries
        ],
    }
    return json.dumps(plain, ensure_ascii=False, indent=2) + "\n"


def _absolute_path(song: Song) -> str:
    """Return the path of a song's file, empty if it is gone."""
    try:
        return _written(song_path(song))
    except (PathError, StoreAwayError):
        return ""


def _written(path: Path) -> str:
    # A name that is not UTF-8 cannot be in a UTF-8 list; replace its bytes, keep the list.
    return os.fsencode(address_of(path) if in_store(path) else path).decode("utf-8", "replace")
