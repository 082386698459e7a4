"""Encoder features of labelled tracks, computed once and kept on disk.

Rows are found by what they were computed from: the sha256 of a text, or of a file's name and size,
and of the distortion's name where the audio is distorted. So a changed text is never given stale
rows, and it does not matter which tracks are asked for together. Shards are written aside and
renamed; an interrupted extraction goes on where it stopped.

::

    CACHE/MSD_musicnn/1f0e….npz         rows (all patches, 1756), lengths and keys (inputs,)
    CACHE/MTT_musicnn/1f0e….npz         the same of the second network
    CACHE/descriptors/1f0e….npz         rows (all patches, 69), lengths and keys (inputs,)
    CACHE/all-MiniLM-L6-v2/8c21….npz    rows (all tokens, 384), lengths and keys (inputs,)
    CACHE/all-MiniLM-L6-v2-5d01…/…      the same of the encoder with an adapter
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from mer.audio.descriptors import describe
from mer.audio.patches import load, song_patches, waveform_patches
from mer.encoders.musicnn import MusicnnEncoder, TextEncoder
from mer.files import written_aside
from mer.lyrics import context_text
from mer.research.inputs.distortions import augmentation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.audio.patches import AudioPatches
    from mer.research.datasets.base import Track
    from mer.research.inputs.distortions import Distortion

AUDIO_ENCODER: Final = "MSD_musicnn"
SECOND_AUDIO_ENCODER: Final = "MTT_musicnn"
DESCRIPTORS: Final = "descriptors"
TEXT_ENCODER: Final = "all-MiniLM-L6-v2"
MAX_TOKENS: Final = 256
"""Lyrics are cut there; four in five songs are longer, and open with what they go on with."""
_SHARD_INPUTS: Final = 32


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """A track and what the frozen encoders make of it.

    Parameters
    ----------
    track : Track
    audio : (patches, 1756 or 3581) float16 Tensor or None
        MusiCNN's rows; when asked for, the second MusiCNN's and the descriptors beside them.
        None where the track has none.
    lyrics, context : (tokens, 384) float16 Tensor or None
    copies : tuple of Tensors as `audio`
        Of distorted copies of the recording, to train on.
    """

    track: Track
    audio: torch.Tensor | None = None
    lyrics: torch.Tensor | None = None
    context: torch.Tensor | None = None
    copies: tuple[torch.Tensor, ...] = ()


class FeatureCache:
    """Reads features from `folder`, and computes and writes those that are not there yet.

    Parameters
    ----------
    folder : Path
        Created when needed; may be deleted at any time.
    is_wide : bool
        Whether audio rows hold all that `mer.network` hears, 3581 numbers, or MusiCNN's
        1756 alone.
    adapter : mapping of str to Tensor or None
        Low-rank corrections of the text encoder (`mer.research.house.text_adaptation`); None leaves it as it is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_wide: bool = False,
        adapter: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        names = [AUDIO_ENCODER, SECOND_AUDIO_ENCODER, DESCRIPTORS] if is_wide else [AUDIO_ENCODER]
        self._audio = {name: _Store(folder / name) for name in names}
        self._adapter = dict(adapter or {})
        suffix = f"-{_digest(self._adapter)}" if self._adapter else ""
        self._text = _Store(folder / f"{TEXT_ENCODER}{suffix}")

    def features(
        self, tracks: Sequence[Track], distortion: Distortion | None = None
    ) -> list[TrackFeatures]:
        """Features of `tracks`, in their order; a progress bar while any is computed.

        Parameters
        ----------
        tracks : sequence of Track
        distortion : Distortion or None
            What happens to their audio before it is heard; its seed is that of file and name.

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
        self._listen(paths, distortion)
        self._read(texts)
        heard, read = self._heard(paths), self._text.rows(texts)
        return [
            TrackFeatures(track, heard.get(key), read.get(_key(lyric)), read.get(_key(context)))
            for track, key, lyric, context in zip(tracks, keys, lyrics, contexts, strict=True)
        ]

    def _heard(self, paths: Mapping[str, Path]) -> dict[str, torch.Tensor]:
        columns = [store.rows(paths) for store in self._audio.values()]
        return {key: torch.cat([rows[key] for rows in columns], dim=1) for key in columns[0]}

    def _listen(self, paths: Mapping[str, Path], distortion: Distortion | None) -> None:
        """Decode each song once, whichever of its rows are missing."""
        missing = {name: set(_missing(paths, store)) for name, store in self._audio.items()}
        ears = {name: _ear(name) for name, keys in missing.items() if keys}
        wanted = [key for key in paths if any(key in keys for keys in missing.values())]
        for keys in _batches(wanted, distortion.name if distortion else "listening"):
            songs = {key: _patches(paths[key], key, distortion) for key in keys}
            for name, ear in ears.items():
                if lacking := [key for key in keys if key in missing[name]]:
                    self._audio[name].add(lacking, [ear(songs[key]) for key in lacking])

    def _read(self, texts: Mapping[str, str]) -> None:
        missing = _missing(texts, self._text)
        if not missing:
            return
        encoder = TextEncoder.from_pretrained(TEXT_ENCODER).adapt(self._adapter)
        missing.sort(key=lambda key: len(texts[key]))  # like lengths together: little padding
        for keys in _batches(missing, "reading"):
            tokens = encoder.encode([texts[key] for key in keys], max_tokens=MAX_TOKENS)
            pairs = zip(tokens.states.numpy(), tokens.mask.numpy(), strict=True)
            self._text.add(keys, [states[mask] for states, mask in pairs])


class _Store:
    """Arrays of any number of rows under keys, in shards that are only ever added."""

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


def _ear(name: str) -> Callable[[AudioPatches], NDArray[np.float32]]:
    """Return what makes rows of the store `name` from a song's patches."""
    if name == DESCRIPTORS:
        return lambda patches: describe(patches.segments)
    encoder = MusicnnEncoder.from_pretrained(name)
    return lambda patches: encoder.embed(torch.from_numpy(patches.log_mel)).numpy()


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
    """Key of a file's rows; empty where there is no file."""
    if path is None:
        return ""
    name = f" {distortion.name}" if distortion else ""
    return _key(f"{path.parent.name}/{path.name} {path.stat().st_size}{name}")


def _batches(keys: list[str], description: str) -> Iterator[list[str]]:
    from tqdm import tqdm

    if not keys:
        return
    with tqdm(total=len(keys), desc=description, unit="input") as bar:
        for start in range(0, len(keys), _SHARD_INPUTS):
            batch = keys[start : start + _SHARD_INPUTS]
            yield batch
            bar.update(len(batch))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research features``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--augmented",
        type=int,
        metavar="N",
        help="distorted copies of the songs to train on (default: as many as train hears)",
    )


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
        help="where features are kept (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Compute the audio features that `train` and `evaluate` read, and say how much there is.

    Texts are read when the encoder's adapter is trained, by whichever command asks first.
    """
    from mer.research.house.mixture import SONG_SETS, load_tracks
    from mer.research.house.trainer import Recipe

    copies = Recipe().copies if args.augmented is None else args.augmented
    cache = FeatureCache(args.cache, is_wide=True)
    tracks = [
        replace(track, lyrics=None, title=None, artist=None)
        for track in load_tracks(args.data)
        if track.dataset in SONG_SETS
    ]
    features = cache.features(tracks)
    patches = sum(len(f.audio) for f in features if f.audio is not None)
    print(f"{len(features)} songs, {patches} patches")  # noqa: T201
    songs = [track for track in tracks if track.split != "test"]
    for copy in range(1, copies + 1):
        cache.features(songs, augmentation(copy))
        print(f"augmented copy {copy}: {len(songs)} songs")  # noqa: T201
    return 0
