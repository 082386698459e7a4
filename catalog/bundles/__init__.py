"""Analyses of songs as a file, so that a second machine need not analyse them again."""
