#!/bin/sh
# Discovery script of Spark: the GPUs of this executor, by their numbers, as a line of JSON.
set -eu
numbers=$(nvidia-smi --query-gpu=index --format=csv,noheader)
[ -n "$numbers" ] || { echo "find_gpus.sh: nvidia-smi lists no GPU" >&2; exit 1; }
printf '{"name": "gpu", "addresses": [%s]}\n' "$(echo "$numbers" | sed 's/.*/"&"/' | paste -sd, -)"
