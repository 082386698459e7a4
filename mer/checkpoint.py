"""Checkpoints: a safetensors file of weights and configuration, and a model card.

::

    affetti-1f0e9c2a.safetensors    weights; its header holds FORMAT_VERSION and the configuration
    affetti-1f0e9c2a.json           model card for people, and the sha256 of the other file

The eight hex digits begin the sha256 of the safetensors file. The weights are written last, so a
checkpoint that is visible is complete. Reading the model version does not load torch.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mer.errors import (
    CheckpointCorruptError,
    CheckpointError,
    CheckpointVersionError,
    InputError,
)
from mer.files import sha256_of, written_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

FORMAT_VERSION: Final = 3
"""Increased when older code could not read a new file."""

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
"""Folder of the packaged checkpoints."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(?:-[a-z0-9_]+)*")
_HEADER_KEY: Final = "affetti"
_RETRAIN: Final = "install the package again, or train the model anew"


def save(
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    card: Mapping[str, Any],
    directory: Path,
    name: str,
) -> Path:
    """Write a checkpoint and its card.

    Parameters
    ----------
    state : mapping of str to Tensor
        Weights. They are saved as contiguous CPU tensors.
    config : mapping
        Configuration that rebuilds the network; plain JSON.
    card : mapping
        Licence, data, measures and limits, for readers of the model card; plain JSON.
    directory : Path
        Created if absent.
    name : str
        Configuration name: lower-case letters, digits, ``_`` and ``-``.

    Returns
    -------
    Path
        Path of the safetensors file. The same arguments always give the same file.

    Raises
    ------
    InputError
        If `name` is not a configuration name.
    """
    import safetensors.torch  # noqa: PLC0415  # loads torch; the model version needs none

    if not _NAME.fullmatch(name):
        raise InputError(f"name {name!r}: use only lower-case letters, digits, _ and -")
    # One metadata key, because safetensors does not keep the order of several.
    header = json.dumps({"format_version": FORMAT_VERSION, "config": dict(config)}, sort_keys=True)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    data = safetensors.torch.save(tensors, metadata={_HEADER_KEY: header})
    sha256 = hashlib.sha256(data).hexdigest()
    version = f"{name}-{sha256[:8]}"
    text = json.dumps(
        {
            **card,
            "format_version": FORMAT_VERSION,
            "model_version": version,
            "sha256": sha256,
            "config": dict(config),
        },
        indent=2,
        ensure_ascii=False,
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{version}.safetensors"
    # The weights last: a checkpoint that is visible has its card.
    with written_aside(path.with_suffix(".json")) as part:
        part.write_bytes(text.encode() + b"\n")
    with written_aside(path) as part:
        part.write_bytes(data)
    return path


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Verify and read a checkpoint.

    Parameters
    ----------
    path : Path
        Path of the safetensors file. The card lies beside it.

    Returns
    -------
    state : dict of str to Tensor
        On the CPU, bit-identical to the saved weights.
    config : dict

    Raises
    ------
    CheckpointError
        If a file is absent or cannot be read.
    CheckpointCorruptError
        If the checksum does not match, or the file is not a checkpoint.
    CheckpointVersionError
        If the format is not `FORMAT_VERSION`.
    """
    import safetensors.torch  # noqa: PLC0415  # as in `save`

    card = read_card(path)
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if card.get("sha256") != sha256 or not path.stem.endswith(f"-{sha256[:8]}"):
        raise CheckpointCorruptError(f"{path}: the checksum does not match; {_RETRAIN}")
    header = _header(data, path)
    if header.get("format_version") != FORMAT_VERSION:
        raise CheckpointVersionError(
            f"{path}: format {header.get('format_version')!r}, this code reads {FORMAT_VERSION}; "
            "use the release that wrote it, or train the model anew"
        )
    try:
        return safetensors.torch.load(data), dict(header["config"])
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise CheckpointCorruptError(f"{path}: not a complete checkpoint; {_RETRAIN}") from error


def check(path: Path) -> None:
    """Check that a checkpoint is here and whole, without loading it; cheap while it is unchanged.

    Raises
    ------
    CheckpointError
        If a file is absent or cannot be read.
    CheckpointCorruptError
        If the checksum does not match.
    """
    card = read_card(path)
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {_RETRAIN}") from error
    if card.get("sha256") != sha256:
        raise CheckpointCorruptError(f"{path}: the checksum does not match; {_RETRAIN}")


def read_card(path: Path) -> dict[str, Any]:
    """Read the card beside the checkpoint at `path`.

    Raises
    ------
    CheckpointError
        If it is absent.
    CheckpointCorruptError
        If it is not a JSON object.
    """
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(_read(card_path))
    except ValueError as error:
        raise CheckpointCorruptError(f"{card_path}: not JSON; {_RETRAIN}") from error
    if not isinstance(card, dict):
        raise CheckpointCorruptError(f"{card_path}: not a model card; {_RETRAIN}")
    return card


def packaged_path(name: str = "affetti") -> Path:
    """Path of the packaged checkpoint of a configuration.

    Raises
    ------
    CheckpointError
        If there is none, or more than one.
    """
    pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{8}}\.safetensors")
    found = sorted(path for path in WEIGHTS_FOLDER.glob("*") if pattern.fullmatch(path.name))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(f"{WEIGHTS_FOLDER}: several checkpoints {names}; keep one")
    raise CheckpointError(f"{WEIGHTS_FOLDER}: no checkpoint {name}-*.safetensors; {_RETRAIN}")


def packaged_version(name: str = "affetti") -> str:
    """Model version of the packaged checkpoint, from its file name alone.

    Raises
    ------
    CheckpointError
        If there is none, or more than one.
    """
    return packaged_path(name).stem


def _header(data: bytes, path: Path) -> dict[str, Any]:
    """Read the metadata entry of Affetti, which safetensors.torch.load does not return."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_HEADER_KEY])
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise CheckpointCorruptError(f"{path}: not a checkpoint of Affetti; {_RETRAIN}") from error
    return dict(header)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {_RETRAIN}") from error
