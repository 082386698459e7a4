"""Measurements of the house network: accuracy, calibration, explanations and robustness."""
