#!/usr/bin/env bash
# Makes the small trained models and the prompts of this directory, by one command:
#   tests/trained/make.sh
# The corpus, the teacher and its units are those of the mini recipe (stages 1 to 3 in
# egs2/mini/speechtok1, run now if they were not). Stages 4 to 6 train the codec and the
# USLM of systems.yaml in dump/small and exp/small of the recipe, some 15 minutes of two
# cores; a stopped run goes on where it was. espnet_st.bin.pack then writes codec.zip and
# uslm.zip, in half precision, and make_prompts.py prompts/. Options are those of run.sh, but for the stages.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
cd "${here}/../../egs2/mini/speechtok1"

./run.sh "$@" --stage 1 --stop_stage 3
mkdir -p dump/small exp/small
for made in dump/{raw,token_list} exp/{teacher,units}; do
    ln -sfn "../$(basename "${made}")" "$(dirname "${made}")/small/$(basename "${made}")"
done
./run.sh "$@" --stage 4 --stop_stage 6 --dumpdir dump/small --expdir exp/small \
    --systems "${here}/systems.yaml"

# shellcheck disable=SC1091 # the recipe's
. ./path.sh
for kind in codec uslm; do
    python3 -m espnet_st.bin.pack "${kind}" --model "exp/small/${kind}_small" \
        --output "${here}/${kind}.zip" --weights float16 --overwrite true \
        --license cc-by-4.0 --training_data mini
done
python3 "${here}/make_prompts.py" --raw dump/raw/test --output_dir "${here}/prompts"
