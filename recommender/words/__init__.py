"""What a listener's words ask for: moods, refusals, filters, and what is not understood.

`understand` is the face. It knows grammar and tables only: no network, no database, no Django.
The tables of each language are in ``languages/``.
"""

from recommender.words.described import is_telling, with_phrase
from recommender.words.reading import understand
from recommender.words.understood import Filters, Part, Sense, Understood
from recommender.words.vocabulary import Vocabulary

__all__ = [
    "Filters",
    "Part",
    "Sense",
    "Understood",
    "Vocabulary",
    "is_telling",
    "understand",
    "with_phrase",
]
