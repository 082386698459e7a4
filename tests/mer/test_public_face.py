"""The names of `import mer`: loaded when used, and their examples run."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import mer
from mer.affect import AffectPoint
from mer.pipeline import EmotionPipeline


def test_public_names_are_those_of_their_modules():
    assert mer.EmotionPipeline is EmotionPipeline
    assert mer.AffectPoint is AffectPoint
    assert set(mer.__all__) <= set(dir(mer))
    assert all(getattr(mer, name).__name__ == name for name in mer.__all__)


def test_importing_mer_and_its_values_loads_no_torch():
    code = (
        "import sys, mer; loaded = {'torch', 'numpy'} & set(sys.modules);"
        "mer.SongInput, mer.AffectPoint; sys.exit(bool(loaded or 'torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Emotion'"):
        mer.Emotion  # noqa: B018
    with pytest.raises(ImportError, match="Emotion"):
        exec("from mer import Emotion")


@pytest.mark.parametrize("module", ["mer", "mer.files", "mer.pipeline"])
def test_examples_in_docstrings_run(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
