"""MusiCNN on a GPU: convolutions as half-precision matrix products, pooled where they are computed.

cuDNN is slow on the front end of MusiCNN: one input channel, kernels of 7x38, 7x67 and 128x1. Here
each is a matrix product over overlapping rows of the input, in half precision with sums in single
precision. A Triton kernel takes the maximum over frequency before anything is written, so only 187
rows a patch reach the memory of the device in place of 11,033.

`UnfoldedMusicnn` writes the rows out and needs no Triton. `FusedMusicnn` is the kernel.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

    from mer.encoders.musicnn import MusicnnEncoder

FRAMES: Final = 187
MELS: Final = 96
_ALIGNED: Final = 8
"""The feature maps have a multiple of so many columns, for aligned rows."""
_TAPS: Final = 8
"""Time steps that a timbral row holds for each mel band: seven, and a zero for alignment."""
_PADDED_FRAMES: Final = 320
_SLACK: Final = 1024
"""Numbers after the end of a buffer that the last rows may read; their weights are zero."""
_TEMPORAL_LEFT: Final = 63
LAUNCH: Final = 2560
"""Patches that one launch takes: the kernel's offsets have 32 bits, enough for 14,900 patches."""
ROWS_IN_MEMORY: Final = 16
"""Patches of one product over rows in memory: a tenth of a gigabyte for a convolution."""
_GROUP: Final = 8
"""Time steps that one row of a temporal product gives."""


class UnfoldedMusicnn:
    """A `MusicnnEncoder` whose front end is matrix products over rows in memory.

    Parameters
    ----------
    encoder : MusicnnEncoder
        On the device. It is not changed.
    dtype : torch.dtype
        Of the factors of the front end's products.
    dense : {'fp32', 'tf32', 'fp16', 'rows'}
        Precision of the mid-end's convolutions; ``rows`` are products over rows in memory, fp16.
    """

    patches: int = ROWS_IN_MEMORY
    """Patches that the front end takes at once."""

    def __init__(
        self, encoder: MusicnnEncoder, dtype: torch.dtype = torch.float16, dense: str = "fp32"
    ) -> None:
        self.encoder, self.dtype, self.dense = encoder, dtype, dense
        self.kernels = [
            conv.weight.squeeze(1).flatten(1).T.contiguous().to(dtype)
            for conv in encoder.front_convs
        ]
        half = torch.float16 if dense in ("fp16", "rows") else torch.float32
        self.columns = sum(len(conv.bias) for conv in encoder.front_convs)
        self._dense_weights = [
            _wide(conv.weight).to(half, memory_format=torch.channels_last)
            for conv in encoder.dense_convs
        ]
        self._dense_rows = [
            weight.squeeze(2).permute(2, 1, 0).flatten(0, 1).contiguous()
            for weight in self._dense_weights
        ]

    @torch.no_grad()
    def embed(self, log_mel: Tensor) -> Tensor:
        """Encode (patches, 187, 96) as (patches, 1756), as `MusicnnEncoder.embed` does."""
        normalized = log_mel * self.encoder.input_scale + self.encoder.input_shift
        parts = torch.split(normalized, self.patches)
        return self.back_end(torch.cat([self.features(part) for part in parts]))

    def features(self, normalized: Tensor) -> Tensor:
        """Feature maps of the front end, as `widened` gives them."""
        maps = [
            self._pooled(normalized, conv, kernel)
            for conv, kernel in zip(self.encoder.front_convs, self.kernels, strict=True)
        ]
        return widened(torch.cat(maps, dim=2))

    def _pooled(self, normalized: Tensor, conv: torch.nn.Module, kernel: Tensor) -> Tensor:
        frames, mels = conv.weight.shape[2:]
        padded = F.pad(normalized.to(self.dtype), conv.padding)
        rows = padded.unfold(1, frames, 1).unfold(2, mels, 1)  # (patches, 187, positions, …)
        rows = rows.flatten(3)
        pooled = (rows @ kernel).amax(dim=2).float() + conv.bias
        return F.relu(pooled * conv.sign) * conv.scale + conv.shift

    def back_end(self, features: Tensor) -> Tensor:
        """Rows (patches, 1756) from the front end's feature maps."""
        encoder = self.encoder
        parts = [features[..., : self.columns]]
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=self.dense == "tf32"):
            state = self._convolved(features, 0)
            parts.append(state)
            for index in (1, 2):
                state = self._convolved(state, index) + state
                parts.append(state)
        mean_pool = encoder.with_constants(torch.cat([part.mean(dim=1) for part in parts], dim=1))
        max_pool = encoder.with_constants(torch.cat([part.amax(dim=1) for part in parts], dim=1))
        pooled = torch.stack([max_pool, mean_pool], dim=2).flatten(1)
        hidden = F.relu(F.linear(pooled, encoder.hidden_weight, encoder.hidden_bias))
        penultimate = hidden * encoder.hidden_scale + encoder.hidden_shift
        tags = torch.sigmoid(F.linear(penultimate, encoder.tag_weight, encoder.tag_bias))
        return torch.cat([penultimate, mean_pool, max_pool, tags], dim=1)

    def _convolved(self, features: Tensor, index: int) -> Tensor:
        """(patches, 187, columns) to (patches, 187, 64): columns are channels, in their place."""
        conv, weight = self.encoder.dense_convs[index], self._dense_weights[index]
        if self.dense == "rows":
            padded = F.pad(features.to(weight.dtype), (0, 0, 3, 3))
            rows = padded.unfold(1, 7, 1).transpose(2, 3).flatten(2)  # (patches, 187, 7 x columns)
            summed = (rows @ self._dense_rows[index]).float()
            return F.relu(summed + conv.bias) * conv.scale + conv.shift
        image = features.to(weight.dtype).transpose(1, 2).unsqueeze(2)  # channels-last
        convolved = F.conv2d(image, weight, padding=(0, 3)).squeeze(2).transpose(1, 2)
        return F.relu(convolved.float() + conv.bias) * conv.scale + conv.shift


def widened(maps: Tensor) -> Tensor:
    """Add the column of ones to feature maps, and columns of zeros up to a multiple of eight."""
    wide = F.pad(maps, (0, 1 + _filling(maps.shape[2] + 1)))
    wide[..., maps.shape[2]] = 1
    return wide


def _filling(columns: int) -> int:
    return -columns % _ALIGNED


def _wide(weight: Tensor) -> Tensor:
    """(filters, 1, 7, columns) to (filters, columns, 1, 7), with columns of zeros as `widened`."""
    columns = weight.squeeze(1).transpose(1, 2).unsqueeze(2)
    return F.pad(columns, (0, 0, 0, 0, 0, _filling(columns.shape[1]))).contiguous()


class FusedMusicnn(UnfoldedMusicnn):
    """A `MusicnnEncoder` whose front end is the Triton kernel; parameters as the base class.

    Parameters
    ----------
    tiles : (filters, positions, depth, warps, stages)
        Sizes of the kernel for the two timbral products.
    """

    patches = LAUNCH

    def __init__(
        self,
        encoder: MusicnnEncoder,
        dtype: torch.dtype = torch.float16,
        dense: str = "fp32",
        tiles: tuple[int, int, int, int, int] = (32, 128, 64, 4, 3),
    ) -> None:
        super().__init__(encoder, dtype, dense)
        self.tiles = tiles
        convs = list(encoder.front_convs)
        self._timbral = [self._timbral_product(conv) for conv in convs[:2]]
        self._temporal = [self._temporal_product(conv) for conv in convs[2:]]

    def features(self, normalized: Tensor) -> Tensor:
        """Feature maps, as the base class gives them."""
        patches = len(normalized)
        out = widened(normalized.new_zeros(patches, FRAMES, self.columns))
        values = normalized.to(self.dtype)
        timbral = values.new_zeros(patches * FRAMES * MELS * _TAPS + _SLACK)
        rows = timbral[: patches * FRAMES * MELS * _TAPS].view(patches, FRAMES, MELS, _TAPS)
        rows[..., :7] = F.pad(values, (0, 0, 3, 3)).unfold(1, 7, 1)
        temporal = values.new_zeros(patches * MELS * _PADDED_FRAMES + _SLACK)
        lines = temporal[: patches * MELS * _PADDED_FRAMES].view(patches, MELS, _PADDED_FRAMES)
        lines[..., _TEMPORAL_LEFT : _TEMPORAL_LEFT + FRAMES] = values.transpose(1, 2)
        column = 0
        for product in self._timbral:
            product(timbral, out, column, self.tiles)
            column += len(product.conv.bias)
        for product in self._temporal:
            product(temporal, out, column, (64, 128, 32, 4, 3))
            column += len(product.conv.bias)
        return out

    def _timbral_product(self, conv: torch.nn.Module) -> _Product:
        frames, mels = conv.weight.shape[2:]
        kernel = F.pad(conv.weight.squeeze(1), (0, 0, 0, _TAPS - frames))  # (filters, 8, mels)
        positions = MELS - mels + 1
        return _Product(
            conv,
            kernel.transpose(1, 2).flatten(1).to(self.dtype),
            inner=FRAMES,
            strides=(FRAMES * MELS * _TAPS, MELS * _TAPS, _TAPS),
            positions=positions,
            block=64 if positions > 32 else 32,
            step=1,
        )

    def _temporal_product(self, conv: torch.nn.Module) -> _Product:
        filters, _, frames, _ = conv.weight.shape
        kernel = conv.weight.new_zeros(_GROUP, filters, frames + _GROUP - 1)
        for shift in range(_GROUP):
            kernel[shift, :, shift : shift + frames] = conv.weight[:, 0, :, 0]
        return _Product(
            conv,
            kernel.flatten(0, 1).to(self.dtype),
            inner=-(-FRAMES // _GROUP),
            strides=(MELS * _PADDED_FRAMES, _GROUP, _PADDED_FRAMES),
            positions=MELS,
            block=32,
            step=_GROUP,
            offset=_TEMPORAL_LEFT - (frames - 1) // 2,
        )


class _Product:
    """One front-end convolution as a product over overlapping rows, and its launch."""

    def __init__(
        self,
        conv: torch.nn.Module,
        kernel: Tensor,
        *,
        inner: int,
        strides: tuple[int, int, int],
        positions: int,
        block: int,
        step: int,
        offset: int = 0,
    ) -> None:
        self.conv, self.kernel = conv, kernel
        self.inner, self.strides, self.offset = inner, strides, offset
        self.positions, self.block, self.step = positions, block, step
        self._packed: dict[tuple[int, int], Tensor] = {}

    def _weights(self, rows: int, depth: int) -> Tensor:
        """Kernel padded with zeros to whole tiles."""
        if (rows, depth) not in self._packed:
            filters, width = self.kernel.shape
            padding = (0, -width % depth, 0, -filters % rows)
            self._packed[rows, depth] = F.pad(self.kernel, padding).contiguous()
        return self._packed[rows, depth]

    def __call__(
        self, values: Tensor, out: Tensor, column: int, tiles: tuple[int, int, int, int, int]
    ) -> None:
        rows, columns, depth, warps, stages = tiles
        weights = self._weights(rows, depth)
        groups = len(out) * self.inner
        block_groups = columns // self.block
        triton = _triton()
        grid = (weights.shape[0] // rows * triton.cdiv(groups, block_groups),)
        conv = self.conv
        _kernel()[grid](
            values,
            weights,
            conv.bias,
            conv.sign,
            conv.scale,
            conv.shift,
            out,
            groups,
            len(self.kernel),
            column,
            OFFSET=self.offset,
            INNER=self.inner,
            OUTER_STRIDE=self.strides[0],
            INNER_STRIDE=self.strides[1],
            POSITION_STRIDE=self.strides[2],
            POSITIONS=self.positions,
            BLOCK=self.block,
            CHUNKS=-(-self.positions // self.block),
            DEPTH=weights.shape[1],
            STEP=self.step,
            FILTERS=len(conv.bias),
            FRAMES=FRAMES,
            WIDE=out.shape[2],
            ROWS=rows,
            GROUPS=block_groups,
            TILE_DEPTH=depth,
            num_warps=warps,
            num_stages=stages,
        )


def _triton() -> ModuleType:
    import triton  # noqa: PLC0415  # comes with CUDA builds of torch alone

    return triton


@functools.cache
def _kernel() -> object:
    import benchmarks.gpu.kernel as module  # noqa: PLC0415  # imports Triton

    return module.pooled_products
