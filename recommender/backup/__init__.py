"""Backups: one file with the database and the settings that matter, without music.

Import from here. The modules behind this face, lowest first:

``archive``    the file: its members, its manifest, and what is refused
``databases``  a consistent copy of the database, and the way back
``workplace``  the folders that both work in, and what killed ones have left
``run``        backup and restore
"""

from __future__ import annotations

from recommender.backup.archive import Manifest
from recommender.backup.run import backup_write, restore_read
from recommender.backup.workplace import leftovers_delete, restore_unfinished

__all__ = ["Manifest", "backup_write", "leftovers_delete", "restore_read", "restore_unfinished"]
