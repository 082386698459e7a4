"""Which songs may be in a list: one registered class per constraint.

To add one, write a class in one of the files here. It declares its fields as attributes and returns
the conditions that songs must meet. The request, the API, the page, the command and the docs then
have its fields.
"""

# Their order is that of the fields.
from recommender.playlists.constraints import songs, listener, implied  # noqa: F401, I001
from recommender.playlists.constraints.base import (
    CONSTRAINTS,
    Constraint,
    allowed_rows,
    conditions_of,
    constraint_notes,
    relaxable,
    songs_allowed,
)
from recommender.playlists.constraints.listener import MAX_EXCLUDED

__all__ = [
    "CONSTRAINTS",
    "MAX_EXCLUDED",
    "Constraint",
    "allowed_rows",
    "conditions_of",
    "constraint_notes",
    "relaxable",
    "songs_allowed",
]
