"""Affetti as a frozen encoder of MARBLE, the benchmark of music representations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from marble.core.base_encoder import BaseEncoder

from mer import EmotionPipeline
from mer.audio.descriptors import describe
from mer.audio.patches import waveform_patches
from mer.pipeline import PreparedSong

if TYPE_CHECKING:
    from typing import Any


class AffettiEncoder(BaseEncoder):  # type: ignore[misc]  # MARBLE has no types
    """Compute Affetti's song embedding of each clip; nothing of it is trained.

    Parameters
    ----------
    checkpoint : str
        Name of a packaged checkpoint, such as ``affetti``, or path of one.
    device : {'cpu', 'cuda', 'auto'}
        Where Affetti computes, whatever device the probe is on.
    """

    SAMPLING_RATE = 16_000
    NUM_FEATURES = 256

    def __init__(self, checkpoint: str = "affetti", device: str = "auto") -> None:
        super().__init__()
        # Not a submodule: the trainer neither moves nor saves it.
        self._pipeline = (EmotionPipeline.from_pretrained(checkpoint, device=device),)

    def forward(self, x: torch.Tensor, *_args: Any, **_kwargs: Any) -> tuple[torch.Tensor]:
        """Encode clips.

        Parameters
        ----------
        x : (clips, samples) or (clips, 1, samples) float Tensor
            Mono, at 16 kHz, at least one second.

        Returns
        -------
        tuple of one (clips, 1, 256) float Tensor
            One layer with one time step, on the device of `x`; each row has unit norm.
        """
        mono = x[:, 0] if x.ndim == 3 else x
        if mono.ndim != 2:
            raise ValueError(f"clips must have the shape (clips, samples), not {tuple(x.shape)}")
        songs = []
        for clip in mono.detach().cpu().numpy().astype(np.float32):
            patches = waveform_patches(clip)
            songs.append(PreparedSong(patches, descriptors=describe(patches.segments)))
        predictions = self._pipeline[0].predict_prepared(songs)
        rows = np.stack([prediction.fused_embedding for prediction in predictions])
        return (torch.from_numpy(rows)[:, None].to(x.device),)
