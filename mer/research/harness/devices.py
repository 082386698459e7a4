"""What networks are trained on: one CPU, a GPU, or several, through accelerate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from mer.research.packages import research_package

if TYPE_CHECKING:
    from accelerate import Accelerator


@functools.cache
def accelerator(mixed_precision: str = "no", *, cpu: bool = False) -> Accelerator:
    """Give this process its accelerator; a GPU when there is one, unless `cpu`.

    Parameters
    ----------
    mixed_precision : {'no', 'fp16', 'bf16'}
    cpu : bool

    Raises
    ------
    PackageMissingError
        If accelerate is not installed.
    """
    accelerate = research_package("accelerate", "trains on any device")
    # A part of a batch may hold no song with audio, and then no gradient of the audio encoder.
    handlers = [accelerate.DistributedDataParallelKwargs(find_unused_parameters=True)]
    made: Accelerator = accelerate.Accelerator(
        mixed_precision=mixed_precision, cpu=cpu, kwargs_handlers=handlers
    )
    return made
