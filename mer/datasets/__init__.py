"""Labelled data sets, one module each: licence, citation, scale, splits."""
