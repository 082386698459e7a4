"""Every error that `mer` raises on purpose.

::

    MerError
    ├── AudioError(path, reason)          code AUDIO_UNREADABLE
    │   ├── AudioDecodeError              code AUDIO_CORRUPT
    │   ├── AudioEmptyError               code AUDIO_EMPTY
    │   ├── AudioTooShortError            code AUDIO_TOO_SHORT
    │   ├── AudioTooLongError             code AUDIO_TOO_LONG
    │   ├── AudioSilentError              code AUDIO_SILENT
    │   ├── AudioVideoError               code AUDIO_IS_VIDEO
    │   ├── AudioCrashError               code AUDIO_DECODER_CRASHED
    │   ├── AudioTimeoutError             code AUDIO_DECODER_TIMEOUT
    │   └── AudioMemoryError              code AUDIO_DECODER_MEMORY
    ├── LyricsError                       code LYRICS_UNREADABLE
    ├── InputError                        code INPUT_INVALID
    │   └── NotFiniteError                code PREDICTION_NOT_FINITE
    ├── EncoderMissingError               code ENCODER_MISSING
    ├── PackageMissingError               code PACKAGE_MISSING
    ├── CheckpointError                   code CHECKPOINT_UNREADABLE
    │   ├── CheckpointCorruptError        code CHECKPOINT_CORRUPT
    │   └── CheckpointVersionError        code CHECKPOINT_VERSION
    ├── DatasetError                      code DATASET_INVALID
    └── ShapeError                        code SHAPE_INVALID

Each class has a stable ``code``. The message says what happened, to which file or field, and what
to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class MerError(Exception):
    """Base of every error raised on purpose by `mer`."""

    code: ClassVar[str] = "MER_ERROR"


class AudioError(MerError):
    """An audio file cannot be used; `path` and `reason` are kept as attributes."""

    code = "AUDIO_UNREADABLE"

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[AudioError], tuple[Path | str, str]]:
        """Pickle by the arguments, so that a child process can raise it in its parent."""
        return type(self), (self.path, self.reason)


class AudioDecodeError(AudioError):
    """The bytes are not audio, or are damaged."""

    code = "AUDIO_CORRUPT"


class AudioEmptyError(AudioError):
    """The file has no bytes, or no samples."""

    code = "AUDIO_EMPTY"


class AudioTooShortError(AudioError):
    """The recording is shorter than the model needs."""

    code = "AUDIO_TOO_SHORT"


class AudioTooLongError(AudioError):
    """The recording or file exceeds the limit."""

    code = "AUDIO_TOO_LONG"


class AudioSilentError(AudioError):
    """Every decoded sample is (nearly) zero."""

    code = "AUDIO_SILENT"


class AudioVideoError(AudioError):
    """The file is a film: it holds moving pictures beside its sound."""

    code = "AUDIO_IS_VIDEO"


class AudioCrashError(AudioError):
    """The file ends the process that decodes it."""

    code = "AUDIO_DECODER_CRASHED"


class AudioTimeoutError(AudioError):
    """The file is not decoded in time."""

    code = "AUDIO_DECODER_TIMEOUT"


class AudioMemoryError(AudioError):
    """The file needs more memory than the process that decodes it may use."""

    code = "AUDIO_DECODER_MEMORY"


class LyricsError(MerError):
    """A lyrics file cannot be read as text."""

    code = "LYRICS_UNREADABLE"


class LyricsRefusedError(LyricsError):
    """A text is not lyrics, but for example a chord sheet or a note that there are none."""

    code = "LYRICS_REFUSED"


class InputError(MerError):
    """An argument is invalid."""

    code = "INPUT_INVALID"


class NotFiniteError(InputError):
    """The networks compute a value that is not finite from an input."""

    code = "PREDICTION_NOT_FINITE"


class EncoderMissingError(MerError):
    """A frozen encoder is in no installed package, local folder or local cache."""

    code = "ENCODER_MISSING"


class PackageMissingError(MerError):
    """A package that only research needs is not installed."""

    code = "PACKAGE_MISSING"


class CheckpointError(MerError):
    """A checkpoint is absent or cannot be read."""

    code = "CHECKPOINT_UNREADABLE"


class CheckpointCorruptError(CheckpointError):
    """The bytes of a checkpoint do not match its checksum or structure."""

    code = "CHECKPOINT_CORRUPT"


class CheckpointVersionError(CheckpointError):
    """The format of a checkpoint is one that this code does not read."""

    code = "CHECKPOINT_VERSION"


class DatasetError(MerError):
    """A data set on disk is absent, or differs from what its loader expects."""

    code = "DATASET_INVALID"


class ShapeError(MerError):
    """A tensor or array has the wrong shape."""

    code = "SHAPE_INVALID"
