"""Frozen pre-trained encoders of audio and text."""
