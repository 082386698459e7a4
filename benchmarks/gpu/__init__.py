"""What one GPU does with Affetti: `benchmarks/gpu_check.sh` runs every section."""
