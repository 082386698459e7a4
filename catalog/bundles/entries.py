"""An analysis as an entry of a bundle: made of rows, checked, and made a row again."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from catalog.estimates import ESTIMATED
from catalog.models import SongEmotion
from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.prediction import EMBEDDING_DIM, MODALITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.models import Song

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_POINTS: Final = 50_000
_MOST_FINGERPRINT_BYTES: Final = 16_384
_UNIT_TOLERANCE: Final = 1e-3


class EntryError(ValueError):
    """An entry that no export wrote; the message names its field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An analysis of a bundle; `emotion` are columns of `SongEmotion`, `estimates` of `Song`."""

    audio_sha256: str
    input_sha256: str
    recording_key: str
    duration_seconds: float | None
    fingerprint: bytes
    emotion: dict[str, Any]
    estimates: dict[str, Any]


def entry_of(emotion: SongEmotion) -> dict[str, Any]:
    """Return the entry of an emotion; what staff corrected is as the model predicted it."""
    song = emotion.song
    values = {name: getattr(emotion, name) for name in _CHECKS} | (emotion.predicted or {})
    values["fused_embedding"] = base64.b64encode(bytes(emotion.fused_embedding)).decode()
    return {
        "audio_sha256": song.audio_sha256 if song.has_audio_hash else "",
        "input_sha256": emotion.input_sha256,
        "recording_key": song.recording_key,
        "duration_seconds": song.duration_seconds,
        "fingerprint": base64.b64encode(bytes(song.fingerprint)).decode(),
        "emotion": values,
        "estimates": {name: getattr(song, name) for name in ESTIMATED},
    }


def entry_read(data: dict[str, Any]) -> Entry:
    """Return the entry of a line; EntryError if anything in it is not as an export writes it."""
    emotion, estimates = data.get("emotion"), data.get("estimates")
    if not isinstance(emotion, dict) or emotion.keys() != _CHECKS.keys():
        raise EntryError("emotion")
    if not isinstance(estimates, dict) or estimates.keys() != set(ESTIMATED):
        raise EntryError("estimates")
    for name, check in _CHECKS.items():
        _require(name, is_right=check(emotion[name]))
    for name, check in _ESTIMATES.items():
        _require(name, is_right=estimates[name] is None or check(estimates[name]))
    for name in ("audio_sha256", "input_sha256"):
        text = data.get(name)
        _require(name, is_right=text == "" or _is_sha256(text))
    key, seconds = data.get("recording_key"), data.get("duration_seconds")
    _require("recording_key", is_right=_is_text(300)(key))
    _require("duration_seconds", is_right=seconds is None or _between(0, 10**6)(seconds))
    fingerprint = _bytes(data.get("fingerprint"), _MOST_FINGERPRINT_BYTES)
    _require("fingerprint", is_right=fingerprint is not None and len(fingerprint) % 4 == 0)
    embedding = _bytes(emotion["fused_embedding"], 4 * EMBEDDING_DIM)
    _require("fused_embedding", is_right=_is_unit(embedding))
    return Entry(
        audio_sha256=data["audio_sha256"],
        input_sha256=data["input_sha256"],
        recording_key=key or "",
        duration_seconds=seconds,
        fingerprint=fingerprint or b"",
        emotion=emotion | {"fused_embedding": embedding},
        estimates=estimates,
    )


def row_of(entry: Entry, song: Song, model_version: str) -> SongEmotion:
    """Return the row, not saved, of an entry for a song.

    What is said of lyrics is left out unless the song has the very texts that were analysed.
    """
    values = dict(entry.emotion)
    if entry.input_sha256 != song.input_sha256:
        values |= {"lyric_lines": [], "lyrics_language": "", "are_lyrics_withheld": False}
    return SongEmotion(
        song=song, model_version=model_version, input_sha256=song.input_sha256, **values
    )


def _require(name: str, *, is_right: bool) -> None:
    if not is_right:
        raise EntryError(name)


def _bytes(value: Any, most: int) -> bytes | None:
    if not isinstance(value, str) or len(value) > 2 * most:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return None


def _is_unit(data: bytes | None) -> bool:
    if data is None or len(data) != 4 * EMBEDDING_DIM:
        return False
    vector = np.frombuffer(data, "<f4").astype(np.float64)
    is_finite = bool(np.isfinite(vector).all())
    return is_finite and bool(abs(np.linalg.norm(vector) - 1) < _UNIT_TOLERANCE)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _between(low: float, high: float) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and low <= value <= high  # no number that is none is between others

    return check


_share = _between(0, 1)
_shift = _between(-2, 2)


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_text(most: int) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True

    return check


def _shares(names: frozenset[str], *, may_miss: bool = False) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, dict) or (may_miss and not value):
            return isinstance(value, dict)
        return value.keys() == names and all(map(_share, value.values()))

    return check


def _named_shares(value: Any) -> bool:
    named = isinstance(value, dict) and len(value) <= 50
    return named and all(_is_text(100)(k) and _share(v) for k, v in value.items())


def _interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_share, value))


def _alone(value: Any) -> bool:
    places = list(value.values()) if isinstance(value, dict) else [None]
    known = isinstance(value, dict) and value.keys() <= set(MODALITIES)
    return known and all(_record(valence=_share, arousal=_share)(place) for place in places)


def _record(**checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, dict) or value.keys() != checks.keys():
            return False
        return all(one(value[name]) for name, one in checks.items())

    return check


def _list_of(check: Callable[[Any], bool], most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**6


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "valence": _share,
    "arousal": _share,
    "valence_spread": _or_none(_share),
    "arousal_spread": _or_none(_share),
    "quadrant": lambda value: value in [str(quadrant) for quadrant in QUADRANTS],
    "quadrants": _shares(frozenset(str(quadrant) for quadrant in QUADRANTS)),
    "emotions": _shares(frozenset(EMOTIONS)),
    "confidence": _share,
    "gates": _shares(frozenset(MODALITIES)),
    "alone": _alone,
    "timeline": _list_of(
        _record(start_seconds=_between(0, 10**6), valence=_share, arousal=_share), _MOST_POINTS
    ),
    "lyric_lines": _list_of(
        _record(line=_whole, text=_is_text(2000), valence=_shift, arousal=_shift, shift=_shift), 10
    ),
    "felt": _shares(frozenset(GEMS), may_miss=True),
    "kinds": _named_shares,
    "novelty": _or_none(_share),
    "valence_interval": _or_none(_interval),
    "arousal_interval": _or_none(_interval),
    "lyrics_language": _is_text(3),
    "are_lyrics_withheld": lambda value: isinstance(value, bool),
    "fused_embedding": _is_text(8 * EMBEDDING_DIM),
    "analysis_seconds": _between(0, 10**6),
}
_ESTIMATES: Final[dict[str, Callable[[Any], bool]]] = {
    "estimated_bpm": _between(1, 1000),
    "tempo_confidence": _share,
    "estimated_key": lambda value: _whole(value) and value < 24,
    "key_confidence": _share,
}
