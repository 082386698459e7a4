"""Words of lyrics for TF-IDF and Word2Vec: cleaned, counted and embedded [Gujar, section 3.1].

A vocabulary is fitted on the training songs only. `WordTable` keeps it in buffers, so a checkpoint
contains it.

Notes
-----
Gujar lemmatises and does not name the lemmatiser. WordNet's lemmatiser without parts of speech,
a common choice, removes the plural of nouns, but needs a dictionary that must be downloaded.
Harman's S stemmer [1]_ removes it by three rules without a dictionary, and is used here.

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
"""A word of the vocabulary is in at least this many training songs [Gujar, section 3.1]."""

MAX_WORDS: Final = 20_000
"""Largest size of a vocabulary; the most frequent words are kept."""

# English clitics. "n't" is kept, because it negates the meaning.
_CLITIC: Final = re.compile(r"['\u2019](?:m|re|s|ll|ve|d|em)\b")
_APOSTROPHE: Final = re.compile(r"['\u2019]")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def clean_words(text: str) -> tuple[str, ...]:
    """Words of a text, lower case, in the singular, without punctuation, digits and stop words.

    Parameters
    ----------
    text : str
        Lyrics, or title and artist.

    Returns
    -------
    tuple of str
        In the text's order, of two letters or more, without scikit-learn's English stop words.
    """
    # scikit-learn takes seconds to load, and networks without words need none of it.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # noqa: PLC0415

    plain = _APOSTROPHE.sub("", _CLITIC.sub("", text.lower()))
    return tuple(_singular(word) for word in _WORD.findall(plain) if word not in ENGLISH_STOP_WORDS)


def _singular(word: str) -> str:
    """Remove the plural by the first of Harman's rules that fits; keep words of three letters."""
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
    """Fit the vocabulary of some documents and the weight of each word [Gujar, section 3.1].

    Parameters
    ----------
    documents : sequence of sequence of str
        Cleaned words of the training songs.
    min_df : int
        Smallest number of documents with a word of the vocabulary.
    max_words : int
        The words with the most documents are kept; ties are resolved alphabetically.

    Returns
    -------
    words : tuple of str
        Most frequent first; may be empty.
    idf : (words,) float Tensor
        ``log(N / (1 + df))`` as printed. It is 0 for a word of all documents but one, and slightly
        negative, ``log(N / (N + 1))``, for a word of all documents.
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
    """Fit skip-gram vectors with negative sampling [Gujar, section 3.1], with gensim.

    The width is the paper's. The window (5), the negatives (5), the ten epochs and the corpus, the
    training songs, are ours. The paper does not name its "music corpus".

    Parameters
    ----------
    documents : sequence of sequence of str
        Cleaned words of the training songs.
    words : sequence of str
        Vocabulary. Every word is in the documents.
    width : int
    seed : int
        The same seed gives the same vectors, because one thread fits them.

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
    logging.getLogger("gensim").setLevel(logging.WARNING)  # gensim logs every epoch at INFO
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

    Loading a state resizes the table to the state's vocabulary. So a network built without
    documents can load a fitted one.

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
        # A checkpoint holds tensors only, so the words are stored as UTF-8 bytes, one a line.
        letters = bytearray("\n".join(words).encode())
        self.register_buffer("letters", torch.tensor(list(letters), dtype=torch.uint8))
        self.register_buffer("idf", idf)
        self.register_buffer("vectors", vectors)
        self._index: dict[str, int] = {word: row for row, word in enumerate(words)}

    @classmethod
    def fit(cls, documents: Sequence[Sequence[str]], *, width: int, seed: int) -> Self:
        """Fit vocabulary and idf, and vectors unless `width` is 0, on training documents."""
        words, idf = fit_idf(documents)
        return cls(words, idf, fit_word2vec(documents, words, width, seed))

    def __len__(self) -> int:
        """Return the number of words in the vocabulary."""
        return len(self._index)

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, in the order of the rows."""
        return tuple(self._index)

    def tf_idf(self, documents: Sequence[Sequence[str]]) -> Tensor:
        """Compute a word's count divided by the document's length, times its idf.

        Parameters
        ----------
        documents : sequence of sequence of str
            Cleaned words. Words outside the vocabulary count for the document's length only.

        Returns
        -------
        (documents, max(words, 1)) float Tensor
            A column of zeros if the vocabulary is empty, because a layer needs an input.
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
            Real steps; words outside the vocabulary have none.
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
    """A linear layer over a vocabulary; loading a state resizes it to the state's vocabulary.

    Load the state before creating the optimiser, because resizing replaces the parameter.
    """

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = state_dict.get(prefix + "weight")
        if found is not None and found.shape[1] != self.in_features:
            self.in_features = found.shape[1]
            self.weight = nn.Parameter(self.weight.new_empty(self.out_features, self.in_features))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
