"""Entry point of ``python -m mer``."""

from __future__ import annotations

import sys

from mer.cli import main

if __name__ == "__main__":
    sys.exit(main())
