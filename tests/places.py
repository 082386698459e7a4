"""Where the checkout and the research data lie."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = ROOT.parent / "shared/data"
"""Research data beside the checkout; tests that need it are marked `data` and skip without it."""
