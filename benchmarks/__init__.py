"""Benchmarks of the product; run each with `python -m benchmarks.NAME`."""
