"""`python -m clients.python.generate FOLDER`: write the Python client of the API there.

It fails if an operation of the schema, or a part of one, would be missing from the client.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
SCHEMA: Final = HERE.parents[1] / "docs/openapi.yaml"


def client_generate(folder: Path) -> str:
    """Generate the client in `folder`, and return what the generator said."""
    command: list[str | Path] = [
        *(sys.executable, "-m", "openapi_python_client", "generate"),
        *("--path", SCHEMA, "--config", HERE / "config.yaml"),
        *("--output-path", folder, "--overwrite", "--fail-on-warning"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said = done.stdout + done.stderr
    if done.returncode:
        raise RuntimeError(f"The client is not whole:\n{said}")
    return said


if __name__ == "__main__":
    sys.stdout.write(client_generate(Path(sys.argv[1])))
