"""The house network: training data, losses, cross-validation and calibration."""
