"""Training device: a CPU, a GPU, or several, through accelerate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from mer.research.packages import research_package

if TYPE_CHECKING:
    from accelerate import Accelerator


@functools.cache
def accelerator(mixed_precision: str = "no", *, cpu: bool = False) -> Accelerator:
    """Accelerator of this process; it uses a GPU if there is one, unless `cpu`.

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
    # A batch without audio gives no gradient for the audio encoder.
    handlers = [accelerate.DistributedDataParallelKwargs(find_unused_parameters=True)]
    made: Accelerator = accelerate.Accelerator(
        mixed_precision=mixed_precision, cpu=cpu, kwargs_handlers=handlers
    )
    return made
