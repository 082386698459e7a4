"""Emotion networks, one architecture a file."""
