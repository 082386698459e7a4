"""The vector index: builds on disk, and the arrays in memory that requests read.

Import from here. The modules behind this face, lowest first:

``rows``      a song as a row of the arrays
``protocol``  the questions that a vector engine answers
``files``     the engine: immutable directories of files, FAISS
``snapshot``  the arrays that a request reads
``space``     room on the disk
``builds``    build, verify, activate
``reader``    keeps a process's snapshot up to date
"""

from __future__ import annotations

from recommender.index.builds import (
    IndexStatus,
    index_build,
    index_build_request,
    index_status,
)
from recommender.index.protocol import VectorIndex
from recommender.index.reader import index_snapshot, index_snapshot_of
from recommender.index.snapshot import IndexSnapshot

__all__ = [
    "IndexSnapshot",
    "IndexStatus",
    "VectorIndex",
    "index_build",
    "index_build_request",
    "index_snapshot",
    "index_snapshot_of",
    "index_status",
]
