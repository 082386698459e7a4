"""Encoder features of labelled tracks, computed once and kept on disk.

The key of a text's rows is the SHA-256 of the text. The key of an audio file's rows is the SHA-256
of its folder and file name, its size and the name of the distortion, if any. A changed text
therefore gets new rows, and the tracks of one call may differ from those of the next.

Shards are written aside and renamed. An interrupted extraction resumes with the first missing
shard.

::

    CACHE/MSD_musicnn/1f0e….npz         rows (all patches, 1756), lengths and keys (inputs,)
    CACHE/descriptors/1f0e….npz         rows (all patches, 69), lengths and keys (inputs,)
    CACHE/all-MiniLM-L6-v2/8c21….npz    rows (all tokens, 384), lengths and keys (inputs,)
    CACHE/all-MiniLM-L6-v2-5d01…/…      the same of the adapted text encoder
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from tqdm import tqdm

from mer.audio.patches import load, song_patches, waveform_patches
from mer.encoders.musicnn import AUDIO_ENCODER
from mer.encoders.text import TEXT_ENCODER
from mer.encoding import AUDIO_BLOCKS, SongEncoder, joined
from mer.files import written_aside
from mer.lyrics import context_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.audio.patches import AudioPatches
    from mer.research.datasets.base import Track
    from mer.research.inputs.distortions import Distortion

_SHARD_INPUTS: Final = 32


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """A track and the outputs of the frozen encoders for it.

    Parameters
    ----------
    track : Track
    audio : (patches, 1756 or 1825) float16 Tensor or None
        Rows of MusiCNN. Wide rows add those of the second MusiCNN and the descriptors.
        None if the track has no audio.
    lyrics, context : (tokens, 384) float16 Tensor or None
        None if the track has no such text.
    copies : tuple of Tensors shaped as `audio`
        Rows of distorted copies of the recording, used in training.
    """

    track: Track
    audio: torch.Tensor | None = None
    lyrics: torch.Tensor | None = None
    context: torch.Tensor | None = None
    copies: tuple[torch.Tensor, ...] = ()


class FeatureCache:
    """Reads features from `folder`; computes and writes the missing ones.

    Parameters
    ----------
    folder : Path
        Created when needed. It may be deleted at any time.
    is_wide : bool
        True gives audio rows of the full input of `mer.network`, 1825 numbers.
        False gives the 1756 numbers of the first MusiCNN.
    adapter : mapping of str to Tensor or None
        Low-rank corrections of the text encoder (`house.text_adaptation`).
        None leaves the encoder unchanged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_wide: bool = False,
        adapter: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        names = AUDIO_BLOCKS if is_wide else (AUDIO_ENCODER,)
        self._audio = {name: _Store(folder / name) for name in names}
        self._encoder = SongEncoder(adapter=adapter)
        suffix = f"-{_digest(adapter)}" if adapter else ""
        self._text = _Store(folder / f"{TEXT_ENCODER}{suffix}")

    def features(
        self, tracks: Sequence[Track], distortion: Distortion | None = None
    ) -> list[TrackFeatures]:
        """Features of `tracks`, in their order; shows a progress bar while it computes any.

        Parameters
        ----------
        tracks : sequence of Track
        distortion : Distortion or None
            Applied to the audio before encoding. Its seed follows from the file and its own name.

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
        keys = [_file_key(track.audio_path, distortion) for track in tracks]
        paths = {
            key: track.audio_path
            for key, track in zip(keys, tracks, strict=True)
            if track.audio_path is not None
        }
        lyrics = [track.lyrics or "" for track in tracks]
        contexts = [context_text(track.title, track.artist) for track in tracks]
        texts = {_key(text): text for text in (*lyrics, *contexts) if text}
        self._encode_audio(paths, distortion)
        self._encode_texts(texts)
        audio, text = self._audio_rows(paths), self._text.rows(texts)
        return [
            TrackFeatures(track, audio.get(key), text.get(_key(lyric)), text.get(_key(context)))
            for track, key, lyric, context in zip(tracks, keys, lyrics, contexts, strict=True)
        ]

    def _audio_rows(self, paths: Mapping[str, Path]) -> dict[str, torch.Tensor]:
        blocks = {name: store.rows(paths) for name, store in self._audio.items()}
        return {
            key: joined({name: rows[key] for name, rows in blocks.items()})
            for key in blocks[AUDIO_ENCODER]
        }

    def _encode_audio(self, paths: Mapping[str, Path], distortion: Distortion | None) -> None:
        """Compute the missing audio rows; decode each song once for all encoders."""
        missing = {name: set(_missing(paths, store)) for name, store in self._audio.items()}
        wanted = [key for key in paths if any(key in keys for keys in missing.values())]
        for keys in _batches(wanted, distortion.name if distortion else "audio"):
            songs = {key: _patches(paths[key], key, distortion) for key in keys}
            for name, store in self._audio.items():
                if lacking := [key for key in keys if key in missing[name]]:
                    rows = [self._encoder.audio_block(name, [songs[key]]) for key in lacking]
                    store.add(lacking, [block.numpy() for (block,) in rows])

    def _encode_texts(self, texts: Mapping[str, str]) -> None:
        missing = _missing(texts, self._text)
        missing.sort(key=lambda key: len(texts[key]))  # texts of similar length: little padding
        for keys in _batches(missing, "texts"):
            encoded = self._encoder.texts([texts[key] for key in keys])
            self._text.add(keys, [text.states.numpy() for text in encoded])


class _Store:
    """Arrays of any number of rows by key, in shards that are written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.keys: dict[str, Path] = {}
        for path in sorted(folder.glob("*.npz")):
            with np.load(path) as file:
                self.keys |= dict.fromkeys(file["keys"].tolist(), path)

    def add(self, keys: Sequence[str], arrays: Sequence[NDArray[np.float32]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{_key(' '.join(keys))}.npz"
        with written_aside(path) as part, part.open("wb") as file:
            np.savez(
                file,
                rows=np.concatenate(arrays).astype(np.float16),
                lengths=np.array([len(array) for array in arrays]),
                keys=np.array(keys),
            )
        self.keys |= dict.fromkeys(keys, path)

    def rows(self, keys: Iterable[str]) -> dict[str, torch.Tensor]:
        wanted = set(keys)
        found: dict[str, torch.Tensor] = {}
        for path in sorted({self.keys[key] for key in wanted}):
            with np.load(path) as file:
                rows = torch.split(torch.from_numpy(file["rows"]), file["lengths"].tolist())
                named = zip(file["keys"].tolist(), rows, strict=True)
            found |= {key: states for key, states in named if key in wanted}
        return found


def _patches(path: Path, key: str, distortion: Distortion | None) -> AudioPatches:
    if distortion is None:
        return song_patches(path)
    return waveform_patches(distortion.apply(load(path), int(key, 16)))


def _missing(keys: Iterable[str], store: _Store) -> list[str]:
    return [key for key in keys if key not in store.keys]


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(adapter: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(adapter):
        digest.update(f"{name} {tuple(adapter[name].shape)}".encode())
        digest.update(adapter[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def _file_key(path: Path | None, distortion: Distortion | None) -> str:
    """Key of a file's rows; empty if there is no file."""
    if path is None:
        return ""
    name = f" {distortion.name}" if distortion else ""
    return _key(f"{path.parent.name}/{path.name} {path.stat().st_size}{name}")


def _batches(keys: list[str], description: str) -> Iterator[list[str]]:
    if not keys:
        return
    with tqdm(total=len(keys), desc=description, unit="input") as bar:
        for start in range(0, len(keys), _SHARD_INPUTS):
            batch = keys[start : start + _SHARD_INPUTS]
            yield batch
            bar.update(len(batch))


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every command that reads features."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the data sets",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("var/features"),
        metavar="DIR",
        help="folder of the computed features (default: %(default)s)",
    )
