"""The papers' experiments on real data, one a file; each prints its table beside the paper's."""
