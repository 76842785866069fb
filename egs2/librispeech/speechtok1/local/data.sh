#!/usr/bin/env bash
# Stage 1 of LibriSpeech: fetch the parts that are missing, if db.sh says `downloads`, and
# make Kaldi data directories of them.
# shellcheck disable=SC2034 # nj is of all corpora's data.sh
set -euo pipefail

train="train-clean-100,train-clean-360,train-other-500" # parts, joined by commas
valid="dev-clean"                                       # parts
test="test-clean"                                       # parts
valid_speakers=0                                        # hold out so many of train instead of valid
url=https://www.openslr.org/resources/12                # where PART.tar.gz are
other_utts=20                                           # utterances of German and of Mandarin, see db.sh
nj=2                                                    # unused: nothing to compute
output_dir=data                                         # where data/<set> go
python=python3                                          # the interpreter

# shellcheck source=egs2/TEMPLATE/speechtok1/utils/parse_options.sh
. utils/parse_options.sh

# shellcheck source=egs2/TEMPLATE/speechtok1/db.sh
. ./db.sh
corpus=${LIBRISPEECH}

if [ "${corpus}" = downloads ]; then
    corpus=downloads/LibriSpeech
    mkdir -p downloads
    [ "${valid_speakers}" -eq 0 ] || valid=
    IFS=, read -r -a parts <<<"${train},${test}${valid:+,${valid}}"
    for part in "${parts[@]}"; do
        if [ -e "${corpus}/${part}/.complete" ]; then
            continue
        fi
        # A stopped transfer goes on; an archive that is not whole fails to unpack.
        curl --fail --location --continue-at - --output "downloads/${part}.tar.gz" \
            "${url}/${part}.tar.gz"
        tar -xzf "downloads/${part}.tar.gz" -C downloads
        touch "${corpus}/${part}/.complete"
        rm "downloads/${part}.tar.gz"
    done
fi

export PYTHONPATH=${PWD}/scripts${PYTHONPATH:+:${PYTHONPATH}}
for language in "de ${MLS_GERMAN}" "zh ${AISHELL3}"; do
    [ -z "${language#* }" ] || "${python}" local/other_languages.py --language "${language%% *}" \
        --corpus "${language#* }" --count "${other_utts}" --output_dir "${output_dir}"
done
exec "${python}" local/prepare.py --corpus "${corpus}" --output_dir "${output_dir}" \
    --train "${train}" --valid "${valid}" --test "${test}" \
    --valid_speakers "${valid_speakers}"
