"""Tags written into files: planned, written, and undone byte for byte."""
