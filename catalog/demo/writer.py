"""The demo catalogue as files: audio and tags, with lyrics inside or beside half of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import soundfile

from catalog.demo.composer import compose
from catalog.demo.pieces import PIECES
from catalog.demo.synth import SAMPLE_RATE
from catalog.files.tags import Tags, write_tags
from mer.files import written_aside

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.demo.pieces import Piece
    from catalog.demo.synth import Sound

MANIFEST_NAME: Final = "demo.json"
_ALBUM: Final = "Affetti demo catalogue"
_SUNG_FROM: Final = 0.08
_SUNG_UNTIL: Final = 0.9


def pieces_missing(folder: Path) -> list[Piece]:
    """Return the pieces without an audio file in `folder`."""
    return [piece for piece in PIECES if not _audio_path(folder, piece).exists()]


def piece_write(folder: Path, piece: Piece) -> Path:
    """Compose one piece into `folder`. Once its audio file appears, the piece is complete.

    Raises OSError if the folder cannot be written.
    """
    path = _audio_path(folder, piece)
    sound = compose(piece.intended, ensemble=piece.ensemble, seed=piece.seed)
    # Lyrics first: an ingest that finds the audio file must find its lyrics.
    if piece.lyrics and piece.lyrics_form == "txt":
        _text_write(path.with_suffix(".txt"), piece.lyrics + "\n")
    elif piece.lyrics and piece.lyrics_form == "lrc":
        _text_write(path.with_suffix(".lrc"), timed_lyrics(piece, len(sound) / SAMPLE_RATE))
    tag_lyrics = piece.lyrics if piece.lyrics_form == "tag" else ""
    with written_aside(path) as part:
        _audio_write(part, sound)
        write_tags(
            part,
            Tags(
                title=piece.title,
                artist=piece.artist,
                album=_ALBUM,
                genre=piece.genre,
                lyrics=tag_lyrics,
            ),
        )
    return path


def manifest_write(folder: Path) -> Path:
    """Write each piece's intended emotion, for comparison with predictions."""
    rows = [
        {
            "file": _audio_path(folder, piece).name,
            "title": piece.title,
            "artist": piece.artist,
            "genre": piece.genre,
            "ensemble": piece.ensemble,
            "has_lyrics": bool(piece.lyrics),
            "intended_valence": piece.intended.valence,
            "intended_arousal": piece.intended.arousal,
        }
        for piece in PIECES
    ]
    path = folder / MANIFEST_NAME
    _text_write(path, json.dumps(rows, indent=1) + "\n")
    return path


def timed_lyrics(piece: Piece, duration_seconds: float) -> str:
    """Return the lyrics of a piece in LRC form, with the lines spread evenly over the music."""
    lines = piece.lyrics.splitlines()
    step = (_SUNG_UNTIL - _SUNG_FROM) * duration_seconds / len(lines)
    stamped = [f"[ti:{piece.title}]", f"[ar:{piece.artist}]"]
    for number, line in enumerate(lines):
        minutes, seconds = divmod(_SUNG_FROM * duration_seconds + number * step, 60)
        stamped.append(f"[{int(minutes):02d}:{seconds:05.2f}]{line}")
    return "\n".join(stamped) + "\n"


def _audio_path(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.artist} - {piece.title}.ogg"


def _audio_write(path: Path, sound: Sound) -> None:
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE, channels=2, format="OGG", subtype="VORBIS"
    ) as file:
        # A second at a time: libsndfile's Vorbis writer overflows its stack on long blocks.
        for start in range(0, len(sound), SAMPLE_RATE):
            file.write(sound[start : start + SAMPLE_RATE])


def _text_write(path: Path, text: str) -> None:
    with written_aside(path) as part:
        part.write_text(text, encoding="utf-8")
