"""Audio files to waveforms, log-mel patches and descriptors of harmony."""
