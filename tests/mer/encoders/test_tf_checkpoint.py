from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mer.encoders.tf_checkpoint import crc32c, read_tensors
from mer.errors import CheckpointCorruptError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES = 48


# --- a small writer of tensor bundles, after the two formats' own documents ---


def varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def masked(data: bytes) -> int:
    crc = slow_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def slow_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def block(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    out, previous = b"", b""
    for key, value in records:
        shared = 0
        while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        previous = key
    return out + struct.pack("<II", 0, 1)


def table(records: list[tuple[bytes, bytes]], per_block: int) -> bytes:
    out, handles = b"", []

    def append(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        out += content + b"\0" + struct.pack("<I", masked(content + b"\0"))
        return handle

    for start in range(0, len(records), per_block):
        chunk = records[start : start + per_block]
        handles.append((chunk[-1][0], append(block(chunk))))
    footer = append(block([])) + append(block(handles))
    return out + footer.ljust(FOOTER_BYTES - 8, b"\0") + MAGIC


def bundle(
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    dtype: int = 1,
    header: bytes = b"\x08\x01\x1a\x02\x08\x01",
    per_block: int = 2,
) -> tuple[bytes, bytes]:
    data, records = b"", [(b"", header)]
    for name, tensor in sorted(tensors.items()):
        raw = tensor.tobytes()
        dims = b"".join(
            b"\x12" + varint(len(b"\x08" + varint(size))) + b"\x08" + varint(size)
            for size in tensor.shape
        )
        entry = b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims
        entry += b"\x20" + varint(len(data)) + b"\x28" + varint(len(raw))
        entry += b"\x35" + struct.pack("<I", masked(raw))
        records.append((name.encode(), entry))
        data += raw
    return table(records, per_block), data


def write(folder: Path, index: bytes, data: bytes) -> tuple[Path, Path]:
    paths = folder / "model.index", folder / "model.data-00000-of-00001"
    paths[0].write_bytes(index)
    paths[1].write_bytes(data)
    return paths


TENSORS = {
    "conv/bias": np.arange(5, dtype=np.float32),
    "conv/kernel": np.linspace(-1, 1, 600, dtype=np.float32).reshape(20, 30),
    "conv/kernel/Adam": np.ones((2, 1, 3), dtype=np.float32),
    "power": np.array(0.9, dtype=np.float32),
}


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)],
)
def test_crc32c_gives_the_published_check_values(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@given(st.binary(max_size=1600))
@settings(deadline=None)
def test_crc32c_equals_the_bitwise_definition(data: bytes) -> None:
    assert crc32c(data) == slow_crc32c(data)


@pytest.mark.parametrize("per_block", [1, 2, 9])
def test_tensors_come_back_as_written(tmp_path: Path, per_block: int) -> None:
    read = read_tensors(*write(tmp_path, *bundle(TENSORS, per_block=per_block)))
    assert list(read) == sorted(TENSORS)
    for name, tensor in TENSORS.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], tensor, strict=True)


def test_only_wanted_tensors_are_read_and_checked(tmp_path: Path) -> None:
    index, data = bundle(TENSORS)
    damaged = data[:-1] + bytes([data[-1] ^ 1])  # the last tensor, "power"
    paths = write(tmp_path, index, damaged)
    assert list(read_tensors(*paths, is_wanted=lambda name: name.endswith("kernel"))) == [
        "conv/kernel"
    ]
    with pytest.raises(CheckpointCorruptError, match="'power' does not match its checksum"):
        read_tensors(*paths)


@given(position=st.integers(min_value=0), bit=st.integers(0, 7), is_index=st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_is_found(
    tmp_path: Path, position: int, bit: int, *, is_index: bool
) -> None:
    files = [bytearray(file) for file in bundle(TENSORS)]
    damaged = files[0 if is_index else 1]
    # The footer's handles and padding carry no sum; all before it, and the data, does.
    position %= len(damaged) - (FOOTER_BYTES if is_index else 0)
    damaged[position] ^= 1 << bit
    with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
        read_tensors(*write(tmp_path, bytes(files[0]), bytes(files[1])))


@given(cut=st.integers(min_value=1), is_index=st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_truncation_is_found(tmp_path: Path, cut: int, *, is_index: bool) -> None:
    index, data = bundle(TENSORS)
    if is_index:
        index = index[: len(index) - 1 - cut % len(index)]
    else:
        data = data[: len(data) - 1 - cut % len(data)]
    with pytest.raises(CheckpointCorruptError):
        read_tensors(*write(tmp_path, index, data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": 2}, "is not float32"),
        ({"header": b"\x08\x02"}, "exactly one shard"),
        ({"header": b"\x08\x01\x10\x01"}, "little-endian"),
    ],
)
def test_other_bundles_are_refused(
    tmp_path: Path, change: dict[str, int | bytes], message: str
) -> None:
    paths = write(tmp_path, *bundle(TENSORS, **change))  # type: ignore[arg-type]
    with pytest.raises(CheckpointCorruptError, match=message):
        read_tensors(*paths)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.index: cannot read the checkpoint"):
        read_tensors(tmp_path / "absent.index", tmp_path / "absent.data")
