"""Encoder features of labelled tracks, computed once and kept on disk.

A shard holds up to 32 tracks' audio, lyrics or context. Its name carries the sha256 of what it was
computed from (the texts, or the files' names and sizes), so a stale shard is never read; it is
written aside and renamed, so that an interrupted extraction goes on where it stopped.

::

    CACHE/MSD_musicnn/panda4q-audio-1f0e….npz        rows (all patches, 1756), lengths (tracks,)
    CACHE/all-MiniLM-L6-v2/mirex-lyrics-8c21….npz    rows (all tokens, 384), lengths (tracks,)
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch

from mer.audio import song_patches
from mer.encoders import MusicnnEncoder, TextEncoder
from mer.text import context_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mer.datasets.base import Track

Part = Literal["audio", "lyrics", "context"]

AUDIO_ENCODER: Final = "MSD_musicnn"
TEXT_ENCODER: Final = "all-MiniLM-L6-v2"
MAX_TOKENS: Final = 256
"""Lyrics are cut there; four in five songs are longer, and open with what they go on with."""
SHARD_TRACKS: Final = 32


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """A track and what the frozen encoders make of it.

    Parameters
    ----------
    track : Track
    audio : (patches, 1756) float16 Tensor or None
        None where the track has none.
    lyrics, context : (tokens, 384) float16 Tensor or None
    """

    track: Track
    audio: torch.Tensor | None = None
    lyrics: torch.Tensor | None = None
    context: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Shard:
    part: Part
    tracks: tuple[Track, ...]

    @property
    def path(self) -> Path:
        """Where it lies below the cache's folder."""
        digest = hashlib.sha256()
        for track in self.tracks:
            if track.audio_path is not None and self.part == "audio":
                source = f"{track.audio_path.name} {track.audio_path.stat().st_size}"
            else:
                source = _text(self.part, track)
            digest.update(f"{source}\0".encode())
        encoder = AUDIO_ENCODER if self.part == "audio" else TEXT_ENCODER
        name = f"{self.tracks[0].dataset}-{self.part}-{digest.hexdigest()[:16]}.npz"
        return Path(encoder, name)


class FeatureCache:
    """Reads features from `folder`, and computes and writes those that are not there yet.

    Parameters
    ----------
    folder : Path
        Created when needed; may be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._audio_encoder: MusicnnEncoder | None = None
        self._text_encoder: TextEncoder | None = None

    def features(self, tracks: Sequence[Track]) -> list[TrackFeatures]:
        """Features of `tracks`, in their order; a progress bar while any is computed.

        Parameters
        ----------
        tracks : sequence of Track

        Returns
        -------
        list of TrackFeatures

        Raises
        ------
        AudioError
            If a track's file cannot be used.
        EncoderMissingError
            If features have to be computed and the encoder is not installed.
        """
        from tqdm import tqdm

        shards = list(_shards(tracks))
        missing = [shard for shard in shards if not (self._folder / shard.path).is_file()]
        for shard in tqdm(missing, "features", unit="shard", disable=not missing):
            self._write(shard)
        found: dict[tuple[str, str], dict[Part, torch.Tensor]] = {}
        for shard in shards:
            for track, rows in zip(shard.tracks, self._read(shard), strict=True):
                found.setdefault((track.dataset, track.track_id), {})[shard.part] = rows
        return [
            TrackFeatures(track, parts.get("audio"), parts.get("lyrics"), parts.get("context"))
            for track in tracks
            for parts in (found.get((track.dataset, track.track_id), {}),)
        ]

    def _read(self, shard: _Shard) -> list[torch.Tensor]:
        with np.load(self._folder / shard.path) as file:
            rows, lengths = torch.from_numpy(file["rows"]), file["lengths"]
        return list(torch.split(rows, lengths.tolist()))

    def _write(self, shard: _Shard) -> None:
        rows = self._listen(shard) if shard.part == "audio" else self._read_texts(shard)
        path = self._folder / shard.path
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.part")
        with aside.open("wb") as file:
            np.savez(
                file,
                rows=np.concatenate(rows),
                lengths=np.array([len(row) for row in rows], dtype=np.int32),
            )
        aside.replace(path)

    def _listen(self, shard: _Shard) -> list[NDArray[np.float16]]:
        if self._audio_encoder is None:
            self._audio_encoder = MusicnnEncoder.from_pretrained(AUDIO_ENCODER)
        rows = []
        for track in shard.tracks:
            if track.audio_path is not None:
                log_mel = torch.from_numpy(song_patches(track.audio_path).log_mel)
                rows.append(self._audio_encoder.embed(log_mel).numpy().astype(np.float16))
        return rows

    def _read_texts(self, shard: _Shard) -> list[NDArray[np.float16]]:
        if self._text_encoder is None:
            self._text_encoder = TextEncoder.from_pretrained(TEXT_ENCODER)
        texts = [_text(shard.part, track) for track in shard.tracks]
        tokens = self._text_encoder.encode(texts, max_tokens=MAX_TOKENS)
        states = tokens.states.numpy().astype(np.float16)
        masks = tokens.mask.numpy()
        return [song[mask] for song, mask in zip(states, masks, strict=True)]


def _text(part: Part, track: Track) -> str:
    if part == "lyrics":
        return track.lyrics or ""
    return context_text(track.title, track.artist)


def _shards(tracks: Sequence[Track]) -> Iterator[_Shard]:
    parts: tuple[Part, ...] = ("audio", "lyrics", "context")
    for dataset in sorted({track.dataset for track in tracks}):
        members = [track for track in tracks if track.dataset == dataset]
        for part in parts:
            if part == "audio":
                having = [track for track in members if track.audio_path is not None]
            else:
                having = [track for track in members if _text(part, track)]
                having.sort(key=lambda track: len(_text(part, track)))  # little padding
            for start in range(0, len(having), SHARD_TRACKS):
                yield _Shard(part, tuple(having[start : start + SHARD_TRACKS]))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer features``."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the data sets"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("var/features"),
        metavar="DIR",
        help="where features are kept (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Compute what `train` and `evaluate` read, and say how much there is."""
    from mer.mixture import load_tracks

    cache = FeatureCache(args.cache)
    features = cache.features(load_tracks(args.data))
    patches = sum(len(f.audio) for f in features if f.audio is not None)
    tokens = sum(len(f.lyrics) for f in features if f.lyrics is not None)
    print(f"{len(features)} tracks, {patches} patches, {tokens} tokens")  # noqa: T201
    return 0
