"""Data sets, one module each, with licence, citation, scale, kind of label and layout on disk.

Nothing is downloaded: `load(root)` reads what is already under `root`.
`datasets.registry` finds the modules.
"""
