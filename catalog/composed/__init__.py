"""Labelled music for training and tests: pieces with composed valence and arousal.

See `docs/composed-pieces.md`.
"""
