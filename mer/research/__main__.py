"""Entry point of ``python -m mer.research``."""

from __future__ import annotations

import sys

from mer.research.cli import main

if __name__ == "__main__":
    sys.exit(main())
