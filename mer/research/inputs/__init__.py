"""What networks are trained on: encoder features, spectrograms, distortions, vocabularies."""
