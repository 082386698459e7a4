"""Music emotion recognition from audio, lyrics and context: valence, arousal and moods.

A library and a command, ``python -m mer``. It uses no web framework, no task queue and no
database. Importing it loads neither torch nor numpy: names are loaded when they are first used.

Examples
--------
>>> from pathlib import Path
>>> from mer import EmotionPipeline, SongInput
>>> pipeline = EmotionPipeline.from_pretrained()
>>> words = "Hold on to me, the night is long"
>>> prediction, = pipeline.predict([SongInput(lyrics=words, title="Long Night")])
>>> print(f"{prediction.valence:.1f} {prediction.arousal:.1f} {prediction.quadrant}")
0.5 0.4 Q4
>>> audio = Path("song.mp3")
>>> if audio.is_file():
...     prediction, = pipeline.predict([SongInput(audio, title="Song", artist="Artist")])

See Also
--------
mer.pipeline : From a song to a prediction.
mer.research : How the network was made and measured; docstrings cite its papers by name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mer.affect import AffectPoint
    from mer.pipeline import EmotionPipeline
    from mer.prediction import EmotionPrediction, SongInput

__all__ = ["AffectPoint", "EmotionPipeline", "EmotionPrediction", "SongInput"]

_MODULES = {
    "AffectPoint": "mer.affect",
    "EmotionPipeline": "mer.pipeline",
    "EmotionPrediction": "mer.prediction",
    "SongInput": "mer.prediction",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'mer' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List the public names beside those that are loaded."""
    return sorted({*globals(), *__all__})
