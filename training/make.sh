#!/usr/bin/env bash
# One model from nothing: tokenizer (unless given), training, export, evaluation.
#   training/make.sh SIZE OUT_DIR [STEPS] [SECONDS] [TOKENIZER]
# With BFCL=DIR set it also scores the public BFCL files of that folder.
set -euo pipefail
cd "$(dirname "$0")"
size=$1 out=$2 steps=${3:-60000} seconds=${4:-640} tokenizer=${5:-}
export PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
mkdir -p "$out"
if [ -z "$tokenizer" ]; then
  python3 tokenizer.py "$out"
  tokenizer=$out/tokenizer.json
fi
python3 train.py "$size" "$out/run" --tokenizer "$tokenizer" --held-out heldout.json.gz --steps "$steps" --limit "$seconds" ${WORKERS:+--workers "$WORKERS"}
python3 export.py "$size" "$out/run" "$out/tetrad-$size" --tokenizer "$tokenizer" --reference "$out/reference.safetensors"
python3 evaluate.py "$size" "$out/run" --tokenizer "$tokenizer" --held-out heldout.json.gz ${BFCL:+--bfcl "$BFCL"}
if [ -n "${BFCL:-}" ]; then python3 card.py "$size" "$out/run" "$out/tetrad-$size"; fi
