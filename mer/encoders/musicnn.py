"""MusiCNN, a frozen audio encoder, in PyTorch.

The weights [1]_ are those of the TensorFlow checkpoints in the ``musicnn`` package, which is
installed but never imported.

References
----------
.. [1] Pons & Serra (2019), "musicnn: pre-trained convolutional neural networks for music audio
   tagging", ISMIR late-breaking session; architecture: Pons et al. (2018), "End-to-end learning
   for music audio tagging at scale", ISMIR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mer.encoders.tf_checkpoint import read_tensors
from mer.errors import CheckpointCorruptError, EncoderMissingError, ShapeError
from mer.files import package_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

AUDIO_ENCODER: Final = "MSD_musicnn"
"""Name of the MusiCNN trained on the Million Song Dataset."""
SECOND_AUDIO_ENCODER: Final = "MTT_musicnn"
"""Name of the MusiCNN trained on MagnaTagATune."""
PATCH_FRAMES: Final = 187
"""Frames of one patch, about three seconds."""
PATCH_MELS: Final = 96
"""Mel bands of one patch."""
AUDIO_EMBEDDING_DIM: Final = 200 + 753 + 753 + 50
"""Length of `MusicnnEncoder.embed`'s rows: penultimate, mean pool, max pool, tags."""

_VARIANTS: Final = (AUDIO_ENCODER, SECOND_AUDIO_ENCODER)
_BATCH_NORM_EPSILON: Final = 1e-3
_MAX_LOG_MEL: Final = 8.0
"""Above the log-mel of any sound: a square wave of full scale has 6.9."""
_TINY_REACH: Final = 1e-6
"""A front-end filter whose output can move less than this counts as constant."""
_INSTALL: Final = "pip install --no-deps musicnn==0.1.0"
_CPU_CHUNK: Final = 1
"""Measured: feature maps of several patches exceed the cache and take twice the time."""
_DEVICE_CHUNK: Final = 256


@dataclass(frozen=True, slots=True)
class MusicnnOutput:
    """Outputs of MusiCNN for each patch.

    Parameters
    ----------
    tags : (patches, 50) float Tensor
        Probabilities of the fifty tags of the data set that the network was trained on.
    penultimate : (patches, 200) float Tensor
        Last hidden layer after its batch normalization.
    mean_pool, max_pool : (patches, 753) float Tensor
        Front-end and mid-end feature maps, pooled over time.
    """

    tags: Tensor
    penultimate: Tensor
    mean_pool: Tensor
    max_pool: Tensor


class MusicnnEncoder(nn.Module):
    """MusiCNN for inference, frozen. Make it with `from_pretrained`.

    Parameters
    ----------
    weights : mapping of str to float32 ndarray
        By TensorFlow variable name, as `mer.encoders.tf_checkpoint.read_tensors` gives them.

    Notes
    -----
    The original applies ReLU and batch normalization to each front-end convolution, then pools
    over the frequency axis. Here the pooling comes first, which leaves fewer values to compute.
    Where the scale of a norm is negative, the sign of the kernel is flipped, so that the maximum
    stays the same. All computation is float32, and the convolutions keep TensorFlow's order of
    summation, because the third residual layer amplifies rounding errors about 1000 times.
    """

    input_scale: Tensor
    input_shift: Tensor
    computed: Tensor
    constants: Tensor
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
        front = [_PooledConv(reader, index) for index in range(5)]
        dense = [_DenseConv(reader, index) for index in range(5, 8)]
        self._take_constants(front, dense)
        self.front_convs, self.dense_convs = nn.ModuleList(front), nn.ModuleList(dense)
        self._build_back_end(reader)
        self.requires_grad_(requires_grad=False)
        self.eval()

    def _take_constants(self, front: Sequence[_PooledConv], dense: Sequence[_DenseConv]) -> None:
        """Leave constant columns out of the first mid-end layer, and keep them for the pools."""
        varies = torch.cat([conv.varies for conv in front])
        constants = torch.cat([conv.constants for conv in front])
        weight = dense[0].weight  # (64, 1, 7, 561)
        of_constants = weight.double() @ constants.double()[:, None]
        dense[0].weight = torch.cat([weight[..., varies], of_constants.float()], dim=3)
        later = torch.ones(sum(len(conv.bias) for conv in dense), dtype=torch.bool)
        self.register_buffer("computed", torch.cat([varies, later]).nonzero().squeeze(1))
        self.register_buffer("constants", F.pad(constants, (0, len(later))))

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
    def from_pretrained(cls, variant: str = AUDIO_ENCODER) -> Self:
        """Load the weights from the installed ``musicnn`` package, without importing it.

        Parameters
        ----------
        variant : {'MSD_musicnn', 'MTT_musicnn'}

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
        folder = package_folder("musicnn", _INSTALL) / variant
        if variant not in _VARIANTS or not folder.is_dir():
            raise EncoderMissingError(
                f"the musicnn package holds no MusiCNN variant {variant!r}; use 'MSD_musicnn', or "
                f"reinstall it: {_INSTALL}"
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
        """Compute the outputs for patches.

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
        # cuDNN's default TF32 has ten bits of precision, too few for the residual layers.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            parts = self._forward_chunks(log_mel, chunk)
        return MusicnnOutput(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def embed(self, log_mel: Tensor) -> Tensor:
        """Encode each patch as one row: penultimate, mean pool, max pool and tags.

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

    def _forward_chunks(
        self, log_mel: Tensor, chunk: int
    ) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Compute so many patches at once, or half of them if the card's memory is too small."""
        try:
            return [self._forward_chunk(part) for part in torch.split(log_mel, chunk)]
        except torch.cuda.OutOfMemoryError:
            if chunk == 1:
                raise
        torch.cuda.empty_cache()
        return self._forward_chunks(log_mel, chunk // 2)

    def _forward_chunk(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normalized = log_mel * self.input_scale + self.input_shift
        maps = [conv(normalized) for conv in self.front_convs]
        ones = log_mel.new_ones(*log_mel.shape[:2], 1)
        features = torch.cat([*maps, ones], dim=2)  # (patches, frames, columns that vary + 1)
        first, second, third = self.dense_convs
        residual_1 = first(features)
        residual_2 = second(residual_1) + residual_1
        residual_3 = third(residual_2) + residual_2
        stacked = torch.cat([*maps, residual_1, residual_2, residual_3], dim=2)
        mean_pool = self.with_constants(stacked.mean(dim=1))  # (patches, 753)
        max_pool = self.with_constants(stacked.amax(dim=1))
        pooled = torch.stack([max_pool, mean_pool], dim=2).flatten(1)
        hidden = F.relu(F.linear(pooled, self.hidden_weight, self.hidden_bias))
        penultimate = hidden * self.hidden_scale + self.hidden_shift
        tags = torch.sigmoid(F.linear(penultimate, self.tag_weight, self.tag_bias))
        return tags, penultimate, mean_pool, max_pool

    def with_constants(self, pooled: Tensor) -> Tensor:
        """Put (patches, columns that vary) into their places among all, (patches, 753)."""
        return self.constants.repeat(len(pooled), 1).index_copy(1, self.computed, pooled)


class _WeightReader:
    """Reads variables as tensors, and batch norms as scale and shift."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights

    def get(self, name: str) -> Tensor:
        return torch.from_numpy(self._weights[name])

    def conv(self, index: int) -> tuple[Tensor, Tensor]:
        """Kernel (filters, 1, frames, features) and bias (filters,)."""
        prefix = _numbered("conv2d", index)
        kernel = self.get(f"{prefix}/kernel").permute(3, 2, 0, 1).contiguous()
        return kernel, self.get(f"{prefix}/bias").clone()

    def largest_input(self) -> float:
        """Largest size of a value of the normalized log-mel spectrogram."""
        scale, shift = self.batch_norm(0)
        ends = torch.stack([shift, scale * _MAX_LOG_MEL + shift])
        return float(ends.abs().max())

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
    """A front-end convolution of the filters that vary, pooled over frequency.

    `varies` and `constants` are (filters,): whether a filter's output depends on the input, and
    its value where it does not, 0 elsewhere.
    """

    sign: Tensor

    def __init__(self, reader: _WeightReader, index: int) -> None:
        super().__init__(reader, index)
        reach = self.scale.abs() * self.weight.abs().sum(dim=(1, 2, 3)) * reader.largest_input()
        self.varies = reach > _TINY_REACH
        constants = F.relu(self.bias) * self.scale + self.shift
        self.constants = constants.masked_fill(self.varies, 0.0)
        for name in ("weight", "bias", "scale", "shift"):
            setattr(self, name, getattr(self, name)[self.varies])
        sign = torch.where(self.scale < 0, -1.0, 1.0)
        self.register_buffer("sign", sign)
        self.weight *= sign[:, None, None, None]
        self.bias *= sign

    def forward(self, features: Tensor) -> Tensor:
        """(patches, frames, mels) to (patches, frames, filters that vary)."""
        pooled = self.convolve(features).amax(dim=3).transpose(1, 2)
        return F.relu(pooled * self.sign) * self.scale + self.shift


class _DenseConv(_Conv):
    """A mid-end convolution over all features at once."""

    def forward(self, features: Tensor) -> Tensor:
        """(patches, frames, features) to (patches, frames, filters)."""
        convolved = self.convolve(features).squeeze(3).transpose(1, 2)
        return F.relu(convolved) * self.scale + self.shift
