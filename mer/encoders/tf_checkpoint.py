"""Reads TensorFlow "tensor bundle" checkpoints (``.index`` + ``.data-…``) without TensorFlow.

The index is an uncompressed LevelDB table [1]_: blocks of prefix-compressed keys, an index block
and a footer with a magic number. Its values are protocol buffers [2]_ with the offset and size of
each tensor in the data file. CRC-32C checksums of both files are verified.

References
----------
.. [1] LevelDB, "leveldb File format", doc/table_format.md.
.. [2] TensorFlow, tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.errors import CheckpointCorruptError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_TABLE_MAGIC: Final = 0xDB4775248B80FB57
_FOOTER_BYTES: Final = 48
_BLOCK_TRAILER_BYTES: Final = 5  # compression type and masked CRC-32C
_DT_FLOAT: Final = 1
_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5


def read_tensors(
    index_path: Path, data_path: Path, *, is_wanted: Callable[[str], bool] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Read the float32 tensors of a one-shard tensor bundle.

    Parameters
    ----------
    index_path, data_path : Path
        The ``.index`` and ``.data-00000-of-00001`` files.
    is_wanted : callable of str to bool, optional
        Selects the names to read; by default all.

    Returns
    -------
    dict of str to float32 ndarray
        By variable name, in the sorted order of the file.

    Raises
    ------
    CheckpointError
        If a file cannot be read.
    CheckpointCorruptError
        If a checksum, size or structure is wrong, or a wanted tensor is not float32.
    """
    index = _read_bytes(index_path)
    data = _read_bytes(data_path)
    try:
        records = dict(_table_records(index))
        _check_header(records.pop(b"", b""))
        entries = {key.decode(): _parse_entry(value) for key, value in records.items()}
    except (ValueError, IndexError, struct.error) as error:
        raise CheckpointCorruptError(f"{index_path}: damaged checkpoint index: {error}") from error
    try:
        return {
            name: _read_tensor(name, entry, data)
            for name, entry in entries.items()
            if is_wanted is None or is_wanted(name)
        }
    except ValueError as error:
        raise CheckpointCorruptError(f"{data_path}: damaged checkpoint: {error}") from error


@dataclass(frozen=True, slots=True)
class _Entry:
    """Type, shape and position of a tensor (BundleEntryProto)."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    masked_crc: int


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the checkpoint: {error.strerror}") from error


def _read_tensor(name: str, entry: _Entry, data: bytes) -> NDArray[np.float32]:
    if entry.dtype != _DT_FLOAT or entry.shard != 0:
        raise ValueError(f"tensor {name!r} is not float32 in the first shard")
    if entry.size != 4 * math.prod(entry.shape) or entry.offset + entry.size > len(data):
        raise ValueError(f"tensor {name!r} does not fit in its {entry.size} bytes")
    raw = data[entry.offset : entry.offset + entry.size]
    if _masked_crc32c(raw) != entry.masked_crc:
        raise ValueError(f"tensor {name!r} does not match its checksum")
    return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(entry.shape)


# --- LevelDB table -----------------------------------------------------------------------------


def _table_records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (key, value) records of a table in key order."""
    if len(table) < _FOOTER_BYTES:
        raise ValueError("shorter than a table footer")
    footer = table[-_FOOTER_BYTES:]
    if struct.unpack("<Q", footer[-8:])[0] != _TABLE_MAGIC:
        raise ValueError("no table magic number at its end")
    offset, size, position = _block_handle(footer, 0)
    _block(table, offset, size)  # the meta-index is not used, only verified
    offset, size, _ = _block_handle(footer, position)
    for _, handle in _block_records(_block(table, offset, size)):
        block_offset, block_size, _ = _block_handle(handle, 0)
        yield from _block_records(_block(table, block_offset, block_size))


def _block_handle(buffer: bytes, position: int) -> tuple[int, int, int]:
    offset, position = _varint(buffer, position)
    size, position = _varint(buffer, position)
    return offset, size, position


def _block(table: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _BLOCK_TRAILER_BYTES > len(table):
        raise ValueError("a block lies beyond the end of the file")
    if table[end] != 0:
        raise ValueError("a block is compressed, which tensor bundles never are")
    if _masked_crc32c(table[offset : end + 1]) != struct.unpack_from("<I", table, end + 1)[0]:
        raise ValueError("a block does not match its checksum")
    return table[offset:end]


def _block_records(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Undo the prefix compression of one block; its tail is a list of restart points."""
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        value_size, position = _varint(block, position)
        if shared > len(key) or position + unshared + value_size > end:
            raise ValueError("a record lies beyond the end of its block")
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + value_size]
        position += value_size


# --- protocol buffers --------------------------------------------------------------------------


def _check_header(value: bytes) -> None:
    fields = dict(_fields(value))
    if fields.get(1) != 1:
        raise ValueError("not a bundle of exactly one shard")
    if fields.get(2, 0) != 0:
        raise ValueError("not a little-endian bundle")


def _parse_entry(value: bytes) -> _Entry:
    scalars = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}  # dtype, shard, offset, size, crc32c
    shape: tuple[int, ...] = ()
    for number, content in _fields(value):
        if number == 2 and isinstance(content, bytes):
            shape = tuple(_dimension(dim) for field, dim in _fields(content) if field == 2)
        elif number in scalars and isinstance(content, int):
            scalars[number] = content
    return _Entry(scalars[1], shape, scalars[3], scalars[4], scalars[5], scalars[6])


def _dimension(message: int | bytes) -> int:
    if not isinstance(message, bytes):
        raise ValueError("a tensor's shape is not a message")
    sizes = [content for number, content in _fields(message) if number == 1]
    size = sizes[-1] if sizes else 0
    if not isinstance(size, int):
        raise ValueError("a tensor's dimension is not a number")
    return size


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, content) of one protocol-buffer message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            number, position = _varint(message, position)
            yield tag >> 3, number
            continue
        if kind == _MESSAGE:
            size, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {kind}")
        content = message[position : position + size]
        if len(content) != size:
            raise ValueError("a field lies beyond the end of its message")
        position += size
        yield tag >> 3, content if kind == _MESSAGE else int.from_bytes(content, "little")


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


# --- CRC-32C -----------------------------------------------------------------------------------

_LANE_BYTES: Final = 512


def _masked_crc32c(data: bytes) -> int:
    """CRC-32C as LevelDB and TensorFlow store it (rotated, plus a constant)."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of `data`, fast enough for megabytes.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int in [0, 2**32)

    Notes
    -----
    A CRC is linear. Lanes of 512 bytes are therefore computed in parallel in NumPy, then joined
    with the operator for 512 zero bytes. Leading zeros do not change a zero state, and an all-ones
    start equals inverting the first four bytes.
    """
    if len(data) < 4:
        return _crc_bytes(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
    padding = -len(data) % _LANE_BYTES
    lanes = np.zeros(padding + len(data), dtype=np.uint8)
    lanes[padding:] = np.frombuffer(data, dtype=np.uint8)
    lanes[padding : padding + 4] ^= 0xFF
    columns = np.ascontiguousarray(lanes.reshape(-1, _LANE_BYTES).T)  # (lane byte, lanes)
    states = _advance(np.zeros(columns.shape[1], dtype=np.uint32), columns)
    shift = _zero_lane_operator()
    total = 0
    for state in states.tolist():
        total = state ^ (
            shift[0][total & 0xFF]
            ^ shift[1][total >> 8 & 0xFF]
            ^ shift[2][total >> 16 & 0xFF]
            ^ shift[3][total >> 24]
        )
    return total ^ 0xFFFFFFFF


def _crc_bytes(data: bytes, state: int) -> int:
    for byte in data:
        state = int(_table()[(state ^ byte) & 0xFF]) ^ (state >> 8)
    return state


def _advance(states: NDArray[np.uint32], columns: NDArray[np.uint8]) -> NDArray[np.uint32]:
    table = _table()
    for column in columns:
        states = table[(states ^ column) & 0xFF] ^ (states >> 8)
    return states


@functools.cache
def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


@functools.cache
def _zero_lane_operator() -> list[list[int]]:
    """Images of the bytes of a state after one lane of zeros, as four tables of 256."""
    states = np.arange(256, dtype=np.uint32) << np.array([[0], [8], [16], [24]], dtype=np.uint32)
    zeros = np.zeros((_LANE_BYTES, 1), dtype=np.uint8)
    moved: list[list[int]] = _advance(states.reshape(-1), zeros).reshape(4, 256).tolist()
    return moved
