"""Experiments of the papers, one per file; pages have our tables and the printed ones."""
