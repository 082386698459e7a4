#!/usr/bin/env bash
# Measures Affetti on one NVIDIA card in under eight minutes, and writes the report:
#
#   benchmarks/gpu_check.sh [REPORT.md] [--device cpu] [--quick] [--only SECTION…]
#
# PYTHON names the interpreter; it needs torch, and finds what else is there. Django is not needed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "${PYTHON:-python3}" -m benchmarks.gpu.check "$@"
