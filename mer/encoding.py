"""Encodes songs with the frozen encoders: audio patches and texts to the inputs of a network.

The row of a patch has 1825 columns in two blocks, in the order of `AUDIO_BLOCKS`:

=============== ======= ==========================================
block           columns source
=============== ======= ==========================================
``MSD_musicnn`` 1756    `mer.encoders.musicnn`, Million Song Dataset
``descriptors`` 69      `mer.audio.descriptors`
=============== ======= ==========================================
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import torch

from mer.audio.descriptors import describe
from mer.encoders.musicnn import AUDIO_ENCODER, MusicnnEncoder
from mer.encoders.text import MAX_TOKENS, TEXT_ENCODER, TextEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from mer.audio.patches import AudioPatches
    from mer.encoders.text import TokenStates

DESCRIPTORS: Final = "descriptors"
"""Name of the block of descriptors."""
AUDIO_BLOCKS: Final = (AUDIO_ENCODER, DESCRIPTORS)
"""Names of the blocks of columns, in their order."""

_BATCH_TEXTS: Final = 128


class EncodedText(NamedTuple):
    """Token states of one text, without padding.

    Parameters
    ----------
    states : (tokens, 384) float32 Tensor
    offsets : (tokens, 2) int64 Tensor
        Start and end of each token in the text, in characters; equal at special tokens.
    """

    states: Tensor
    offsets: Tensor


class TokenEncoder(Protocol):
    """The part of `mer.encoders.text.TextEncoder` that `encode_texts` needs."""

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenStates:
        """Encode texts to token states."""


class SongEncoder:
    """The frozen encoders of the house network, each loaded when it is first used.

    Parameters
    ----------
    device : torch.device or str
        Where the encoders compute. All results are on the CPU.
    adapter : mapping of str to Tensor or None
        Low-rank corrections of the text encoder; None leaves it unchanged.
    """

    def __init__(
        self, device: torch.device | str = "cpu", adapter: Mapping[str, Tensor] | None = None
    ) -> None:
        self.device = torch.device(device)
        self.audio_encoders: dict[str, MusicnnEncoder] = {}
        self._adapter = dict(adapter or {})
        self._loading = threading.Lock()

    @functools.cached_property
    def text_encoder(self) -> TextEncoder:
        """The text encoder with its corrections."""
        encoder = TextEncoder.from_pretrained(TEXT_ENCODER).adapt(self._adapter)
        return encoder.to(self.device).quicken()

    def audio_block(self, name: str, songs: Sequence[AudioPatches]) -> list[Tensor]:
        """Compute one block of columns.

        Parameters
        ----------
        name : str
            One of `AUDIO_BLOCKS`.
        songs : sequence of AudioPatches

        Returns
        -------
        list of (patches, 1756 or 69) float32 Tensor
            In the order of `songs`.

        Raises
        ------
        EncoderMissingError
            If the package of the encoder is not installed.
        """
        if name == DESCRIPTORS:
            return [torch.from_numpy(describe(song.segments)) for song in songs]
        with self._loading:  # by one of the threads that share a batch
            if name not in self.audio_encoders:
                self.audio_encoders[name] = MusicnnEncoder.from_pretrained(name).to(self.device)
        log_mel = torch.cat([torch.from_numpy(song.log_mel) for song in songs])
        rows = self.audio_encoders[name].embed(log_mel.to(self.device)).cpu()
        return list(torch.split(rows, [len(song.log_mel) for song in songs]))

    def audio(
        self, songs: Sequence[AudioPatches], descriptors: Sequence[NDArray[np.float32]]
    ) -> list[Tensor]:
        """Compute all columns of songs whose descriptors are known.

        Parameters
        ----------
        songs : sequence of AudioPatches
        descriptors : sequence of (patches, 69) float32 ndarray
            Of `mer.audio.descriptors.describe`, in the order of `songs`.

        Returns
        -------
        list of (patches, 1825) float32 Tensor
            In the order of `songs`.

        Raises
        ------
        EncoderMissingError
            As `audio_block`.
        """
        if not songs:
            return []
        described = [torch.from_numpy(rows) for rows in descriptors]
        return [
            joined(dict(zip(AUDIO_BLOCKS, blocks, strict=True)))
            for blocks in zip(self.audio_block(AUDIO_ENCODER, songs), described, strict=True)
        ]

    def texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """Encode texts; see `encode_texts`.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        list of EncodedText
            In the order of `texts`.

        Raises
        ------
        EncoderMissingError
            If the package of the text encoder is not installed.
        CheckpointCorruptError
            If the corrections belong to another text encoder.
        """
        if not texts:
            return []
        with self._loading:
            encoder = self.text_encoder
        return encode_texts(encoder, texts)


def joined(blocks: Mapping[str, Tensor]) -> Tensor:
    """Join blocks of columns in the order of `AUDIO_BLOCKS`.

    Parameters
    ----------
    blocks : mapping of str to (patches, columns) Tensor
        By name; blocks may be missing.

    Returns
    -------
    (patches, columns of all blocks) Tensor
    """
    return torch.cat([blocks[name] for name in AUDIO_BLOCKS if name in blocks], dim=1)


def encode_texts(encoder: TokenEncoder, texts: Sequence[str]) -> list[EncodedText]:
    """Encode texts in batches of similar length, each truncated to `MAX_TOKENS`.

    Parameters
    ----------
    encoder : TokenEncoder
    texts : sequence of str

    Returns
    -------
    list of EncodedText
        On the CPU, in the order of `texts`.
    """
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # little padding
    encoded: dict[int, EncodedText] = {}
    for start in range(0, len(order), _BATCH_TEXTS):
        indices = order[start : start + _BATCH_TEXTS]
        batch = encoder.encode([texts[index] for index in indices], max_tokens=MAX_TOKENS)
        states, mask, offsets = batch.states.cpu(), batch.mask.cpu(), batch.offsets.cpu()
        for row, index in enumerate(indices):
            encoded[index] = EncodedText(states[row][mask[row]], offsets[row][mask[row]])
    return [encoded[index] for index in range(len(texts))]
