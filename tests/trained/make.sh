#!/usr/bin/env bash
# Makes the small trained models of this directory by stages 1 to 6 of the mini recipe,
# some 20 minutes of two cores. What the stages write is in dump/small and exp/small
# there. Options are those of run.sh, e.g. --stage 4.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
cd "${here}/../../egs2/mini/speechtok1"
dump=dump/small exp=exp/small
./run.sh --stop_stage 6 --dumpdir "${dump}" --expdir "${exp}" \
    --systems "${here}/systems.yaml" "$@"
# shellcheck disable=SC1091 # the recipe's
. ./path.sh
python3 "${here}/pack.py" --codec "${exp}/codec_small" --uslm "${exp}/uslm_small" \
    --raw "${dump}/raw/test" --output_dir "${here}"
