"""One harness for every architecture: the same songs, labels, training, disturbances, table."""
