"""A portion of the fuzz of damaged files; `benchmarks.fuzz_files` runs all of it."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_files import fuzz, is_bad, make_corpus, mutant
from tests.made_audio import needs_ffmpeg

pytestmark = [needs_ffmpeg, pytest.mark.django_db]

FILES = 200


@pytest.mark.slow
def test_damaged_files_fail_alone_with_a_code(tmp_path):
    report = fuzz(tmp_path, seed=12, numbers=range(FILES))
    assert not is_bad(report), report
    assert report["analysed"] + sum(report["codes"].values()) == FILES
    assert report["analysed"] > FILES / 5


def test_a_number_gives_the_same_file_again(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    assert mutant(corpus, 12, 34) == mutant(corpus, 12, 34) != mutant(corpus, 12, 35)
