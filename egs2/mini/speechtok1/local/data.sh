#!/usr/bin/env bash
# Stage 1 of mini: make the corpus on the spot with free synthesizers.
set -euo pipefail

smoke=false     # true: a few utterances, in seconds
seed=0          # the same seed gives the same corpus
nj=2            # parallel processes
output_dir=data # where data/<set>, data/wav and data/lm go
python=python3  # the interpreter

# shellcheck source=egs2/TEMPLATE/speechtok1/utils/parse_options.sh
. utils/parse_options.sh

"${python}" local/make_corpus.py --output_dir "${output_dir}" \
    --seed "${seed}" --nj "${nj}" --smoke "${smoke}"
exec "${python}" local/languages.py --output_dir "${output_dir}" --smoke "${smoke}"
