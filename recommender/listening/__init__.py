"""Listening history from elsewhere: files of other services, and programs that submit listens."""

from recommender.listening.heard import text_of, why_in_words
from recommender.listening.imports import (
    HistoryError,
    import_failure,
    import_faults,
    import_read,
    import_run,
    import_state,
    import_undo,
    imports_list,
    listens_delete,
)
from recommender.listening.matching import SongMatcher
from recommender.listening.pieces import MOST_BYTES, import_abort, import_piece, imports_sweep
from recommender.listening.submissions import MOST_SUBMITTED, listens_record, listens_submit

__all__ = [
    "MOST_BYTES",
    "MOST_SUBMITTED",
    "HistoryError",
    "SongMatcher",
    "import_abort",
    "import_failure",
    "import_faults",
    "import_piece",
    "import_read",
    "import_run",
    "import_state",
    "import_undo",
    "imports_list",
    "imports_sweep",
    "listens_delete",
    "listens_record",
    "listens_submit",
    "text_of",
    "why_in_words",
]
