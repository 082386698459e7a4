"""Words of lyrics for TF-IDF and Word2Vec: cleaned, counted and embedded [Gujar, section 3.1].

A vocabulary is fitted on the training songs and on nothing else. `WordTable` keeps it in buffers,
so that a checkpoint of a network that uses words is whole.

Notes
-----
Gujar lemmatises and does not say with what. WordNet's lemmatiser, called without parts of speech
as is common, takes the plural off nouns; it needs a dictionary to be fetched. Here Harman's
S stemmer [1]_ does the same by three rules, without one.

References
----------
.. [1] Harman (1991), "How effective is suffixing?", JASIS 42(1), 7-15.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from mer.research.packages import research_package

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from torch import Tensor

MIN_DOCUMENTS: Final = 5
"""Fewest training songs that a word of the vocabulary stands in [Gujar, section 3.1]."""

MAX_WORDS: Final = 20_000
"""Largest vocabulary; the words of most songs are kept."""

# What English hangs on a word; n't stays, for it turns the sense round.
_CLITIC: Final = re.compile(r"['\u2019](?:m|re|s|ll|ve|d|em)\b")
_APOSTROPHE: Final = re.compile(r"['\u2019]")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def clean_words(text: str) -> tuple[str, ...]:
    """Words of a text, without punctuation, digits, case, stop words and the plural.

    Parameters
    ----------
    text : str
        Lyrics, or title and artist.

    Returns
    -------
    tuple of str
        In the text's order, of two letters or more; scikit-learn's English stop words are out.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    plain = _APOSTROPHE.sub("", _CLITIC.sub("", text.lower()))
    return tuple(_singular(word) for word in _WORD.findall(plain) if word not in ENGLISH_STOP_WORDS)


def _singular(word: str) -> str:
    """Take the plural off; the first of Harman's rules that fits, and none to short words."""
    if len(word) <= 3:
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def fit_idf(
    documents: Sequence[Sequence[str]], min_df: int = MIN_DOCUMENTS, max_words: int = MAX_WORDS
) -> tuple[tuple[str, ...], Tensor]:
    """Vocabulary of some documents and what each word weighs [Gujar, section 3.1].

    Parameters
    ----------
    documents : sequence of sequence of str
        Cleaned words of the training songs.
    min_df : int
        Fewest documents that hold a word.
    max_words : int
        The words that most documents hold are kept; of equals, the first in the alphabet.

    Returns
    -------
    words : tuple of str
        Most frequent first; may be empty.
    idf : (words,) float Tensor
        ``log(N / (1 + df))`` as printed: it is 0 for a word that all documents but one hold, and
        negative, ``log(N / (N + 1))``, for one that they all hold, so that saying what everyone
        says counts, weakly, against a term.
    """
    counts = Counter(word for document in documents for word in set(document))
    kept = sorted(
        (word for word, df in counts.items() if df >= min_df),
        key=lambda word: (-counts[word], word),
    )[:max_words]
    df = torch.tensor([counts[word] for word in kept], dtype=torch.float64)
    return tuple(kept), torch.log(len(documents) / (1.0 + df)).float()


def fit_word2vec(
    documents: Sequence[Sequence[str]], words: Sequence[str], width: int, seed: int
) -> Tensor:
    """Skip-gram vectors with negative sampling [Gujar, section 3.1], by gensim.

    The width is the paper's. Window (5), negatives (5) and ten passes are ours; so is the corpus,
    the training songs, for the paper's "music corpus" is not named.

    Parameters
    ----------
    documents : sequence of sequence of str
        Cleaned words of the training songs.
    words : sequence of str
        Vocabulary; every word is in the documents.
    width : int
    seed : int
        One thread: the same seed gives the same vectors.

    Returns
    -------
    (words, width) float32 Tensor

    Raises
    ------
    PackageMissingError
        If gensim is not installed.
    """
    if not words or not width:
        return torch.zeros(len(words), width)
    known = set(words)
    models = research_package("gensim.models", "fits Word2Vec")
    logging.getLogger("gensim").setLevel(logging.WARNING)  # it reports every pass at INFO
    fitted = models.Word2Vec(
        sentences=[[word for word in document if word in known] for document in documents],
        vector_size=width,
        sg=1,
        hs=0,
        negative=5,
        window=5,
        min_count=1,
        epochs=10,
        seed=seed,
        workers=1,
    )
    return torch.from_numpy(fitted.wv[list(words)].copy())


class WordTable(nn.Module):
    """A fitted vocabulary in buffers: words, their idf and their vectors.

    A table of another size takes the size of the state that it is loaded from, so that a network
    built without documents can load one that was fitted.

    Parameters
    ----------
    words : sequence of str
    idf : (words,) float Tensor
    vectors : (words, width) float Tensor
    """

    letters: Tensor
    idf: Tensor
    vectors: Tensor

    def __init__(self, words: Sequence[str], idf: Tensor, vectors: Tensor) -> None:
        super().__init__()
        # Tensors are all that a checkpoint holds: the words are their UTF-8 bytes, a line each.
        letters = bytearray("\n".join(words).encode())
        self.register_buffer("letters", torch.tensor(list(letters), dtype=torch.uint8))
        self.register_buffer("idf", idf)
        self.register_buffer("vectors", vectors)
        self._index: dict[str, int] = {word: row for row, word in enumerate(words)}

    @classmethod
    def fit(cls, documents: Sequence[Sequence[str]], *, width: int, seed: int) -> Self:
        """Fit vocabulary, idf and, where `width` is not 0, vectors on training documents."""
        words, idf = fit_idf(documents)
        return cls(words, idf, fit_word2vec(documents, words, width, seed))

    def __len__(self) -> int:
        """Words in the vocabulary."""
        return len(self._index)

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, in the order of the rows."""
        return tuple(self._index)

    def tf_idf(self, documents: Sequence[Sequence[str]]) -> Tensor:
        """Weigh the words of some documents: count over words of the document, times idf.

        Parameters
        ----------
        documents : sequence of sequence of str
            Cleaned words; those outside the vocabulary count in the document's length only.

        Returns
        -------
        (documents, max(words, 1)) float Tensor
            A single zero where the vocabulary is empty: no layer has a width of 0.
        """
        if not len(self):
            return self.idf.new_zeros(len(documents), 1)
        rows, columns, shares = [], [], []
        for row, document in enumerate(documents):
            for word, count in Counter(document).items():
                if word in self._index:
                    rows.append(row)
                    columns.append(self._index[word])
                    shares.append(count / len(document))
        frequencies = torch.zeros(len(documents), len(self))
        frequencies[rows, columns] = torch.tensor(shares)
        return frequencies.to(self.idf) * self.idf

    def look_up(self, documents: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Vectors of the documents' words, in order.

        Returns
        -------
        states : (documents, steps, width) float Tensor
        mask : (documents, steps) bool Tensor
            Words outside the vocabulary have no step.
        """
        known = [
            [self._index[word] for word in document if word in self._index]
            for document in documents
        ]
        steps = max(1, *map(len, known))
        device = self.vectors.device
        rows = torch.tensor([song + [0] * (steps - len(song)) for song in known], device=device)
        lengths = torch.tensor([len(song) for song in known], device=device)
        mask = torch.arange(steps, device=device) < lengths.unsqueeze(1)
        vectors = self.vectors if len(self) else self.vectors.new_zeros(1, self.vectors.shape[1])
        return vectors[rows] * mask.unsqueeze(2), mask

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name in ("letters", "idf", "vectors"):
            found = state_dict.get(prefix + name)
            if found is not None:
                setattr(self, name, getattr(self, name).new_empty(found.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        text = bytes(self.letters.cpu().tolist()).decode()
        self._index = {word: row for row, word in enumerate(text.split("\n") if text else ())}


class TermProjection(nn.Linear):
    """A linear layer over a vocabulary; takes the vocabulary's size of the state it is loaded from.

    Load before the optimiser is made: another size is another parameter.
    """

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = state_dict.get(prefix + "weight")
        if found is not None and found.shape[1] != self.in_features:
            self.in_features = found.shape[1]
            self.weight = nn.Parameter(self.weight.new_empty(self.out_features, self.in_features))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
