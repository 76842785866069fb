#!/usr/bin/env bash
# Stage 1 of mini: make the corpus on the spot with free synthesizers.
set -euo pipefail

# Options: --name value. They are printed by --help.
smoke=false     # true: a few utterances, in seconds
seed=0          # the same seed gives the same corpus
nj=2            # parallel processes
output_dir=data # where data/<set>, data/wav and data/lm go
python=python3  # the interpreter

while [ $# -gt 0 ]; do
    case "$1" in
    --help | -h)
        sed -n '/^# Options/,/^python=/p' "$0"
        exit 0
        ;;
    --smoke | --seed | --nj | --output_dir | --python)
        if [ $# -lt 2 ]; then
            echo "$0: option $1 needs a value" >&2
            exit 2
        fi
        printf -v "${1#--}" '%s' "$2"
        shift 2
        ;;
    *)
        echo "$0: unknown option $1; see $0 --help" >&2
        exit 2
        ;;
    esac
done

local_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${python}" "${local_dir}/make_corpus.py" --output_dir "${output_dir}" \
    --seed "${seed}" --nj "${nj}" --smoke "${smoke}"
