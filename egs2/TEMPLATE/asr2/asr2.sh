#!/usr/bin/env bash
# A recogniser on tokens of a codec, by ESPnet's own commands of discrete ASR, in stages. A
# stage is a few lines over scripts/helpers.sh; it can be run again, and takes up what it had.
# shellcheck disable=SC2086 # *_opts and *_args hold several words
set -euo pipefail

help_message="Usage: $0 [options]

  1  data                      codes and text of --codesdir -> data/<set>
  2  tokens                    data/token_list, data/tokens_<name>/<set>
  3  training                  exp/asr2_<name>
  4  decoding                  exp/asr2_<name>/decode/<set>
  5  scoring                   exp/RESULTS.md

Stages 2 to 5 go through the recognisers of --systems.

Options [default]:"

# What to run
stage=1      # first stage
stop_stage=5 # last stage
smoke=false  # a few utterances and steps, to see that all stages run

# Where to run
python=python3 # Python interpreter
ngpu=0         # GPUs per node; 0 runs on the CPU
num_nodes=1    # nodes for training
nj=2           # jobs in an array
num_threads=2  # CPU threads; as many recognisers are trained at once

# What is compared
systems="RVQ-1,pieces=bpe RVQ-1,frames=frames" # LABEL=NAME of conf/{tokens_NAME.conf,train_asr2_NAME.yaml}, ...
codec=                                         # directory, packed zip or name of the codec of the codes

# Directories and sets
speechtok_dir=../speechtok1 # recipe that made the codes; archives are named as seen from there
codesdir=                   # <set>/codes.scp and <set>/text
datadir=data                # what stages 1 and 2 make
expdir=exp                  # models and results
train_set=train             # training set
valid_set=dev               # validation set
test_set="test"             # test set
max_utts=0                  # utterances of each set; 0: all

# Recognisers
token_type=bpe                      # of the words, as in ESPnet: bpe, char, word
nbpe=150                            # pieces of a sentencepiece model, for token_type bpe
cleaner=none                        # text cleaner, as in ESPnet
asr_args=                           # more options for the training of each, e.g. "--max_epoch 3"
inference_model=valid.acc.ave.pth   # which of its checkpoints decodes
decode_config=conf/decode_asr2.yaml # beam search
decode_args=                        # more options for decoding

[ -e utils/parse_options.sh ] || {
    printf '%s\n' "asr2.sh: error: run this in a recipe's directory, or run the recipe's run.sh" >&2
    exit 1
}
. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
. scripts/helpers.sh

[ $# -eq 0 ] || die "unknown arguments: $*"

if [ "${smoke}" = true ]; then
    asr_args+=" --max_epoch 1 --num_iters_per_epoch 3 --batch_type unsorted --batch_size 2"
    decode_args+=" --beam_size 2"
    max_utts=8
    nj=1 # starting a job costs more than what it does
fi

check_names "${speechtok_dir}" "${codesdir}" "${datadir}" "${expdir}" "${train_set}" "${valid_set}" \
    "${test_set}" "${decode_config}" "${inference_model}" "${codec//:/}"
[ -n "${codec}" ] && [ -n "${codesdir}" ] || die "--codec and --codesdir are needed: expected the" \
    "codec of ${speechtok_dir}, for example, and what it made of the sets"
check_gpus

read_systems "${systems}" conf/tokens_%.conf conf/train_asr2_%.yaml

choose_tokens "${datadir}/token_list"
export OMP_NUM_THREADS=${num_threads}
[ -t 2 ] || export TQDM_MININTERVAL=15 # a log is not for a bar that moves

# write_tokens NAME SET OPTIONS...: a set's source text, and how long its utterances are
write_tokens() {
    local name=$1 set=$2 out=${datadir}/tokens_$1/$2 of=
    shift 2
    [ "${set}" = "${train_set}" ] || of=${datadir}/tokens_${name}/${train_set}/tokens.txt
    made "${out}" "${datadir}/${set}/codes.scp" "${datadir}/${set}/text" "$(source_state "${codec}")" \
        "${of}" "$*" && return
    submit "${labels[${name}]}: tokens of ${set}" 1 "${out}/tokenize.log" \
        "${python}" -m espnet_st.bin.tokenize --format asr2 --codec "${codec}" \
        --codes_scp "${datadir}/${set}/codes.scp" --output_dir "${out}" "$@"
    "${python}" scripts/count_tokens.py "${datadir}/tokens_${name}/${train_set}" "${out}/src_text" \
        "${out}/src_text_shape"
    keep_keys "${out}/src_text" "${datadir}/${set}/text" "${out}/text"
    touch "${out}/.done"
}

# train_asr NAME
train_asr() {
    local name=$1 exp=${expdir}/asr2_$1 config=conf/train_asr2_$1.yaml tokens=${datadir}/tokens_$1
    local stats=${expdir}/asr2_stats_$1 kind
    local train=${tokens}/${train_set} valid=${tokens}/${valid_set}
    need 2 "${train}/.done" "${valid}/.done"
    kind=$(sed -n 's/.*"token_type": "\(.*\)".*/\1/p' "${train}/tokens.json")
    local src_opts="--src_token_type ${kind} --src_token_list ${train}/tokens.txt"
    [ "${kind}" != bpe ] || src_opts+=" --src_bpemodel ${train}/bpe.model"
    ! grep -q '^frontend: *speechtokenizer' "${config}" ||
        src_opts+=" --frontend_conf tokens=${train}"
    made "${exp}" "${config}" "${train}/src_text" "${train}/tokens.txt" "${train}/text" \
        "${valid}/src_text" "${token_dir}/tokens.txt" "${asr_args}" && return
    # Lengths are all that batches need: stage 2 has counted them.
    mkdir -p "${stats}/train" "${stats}/valid"
    cp "${train}/src_text_shape" "${stats}/train/src_text_shape"
    cp "${valid}/src_text_shape" "${stats}/valid/src_text_shape"
    fit "${labels[${name}]}" "${exp}" "espnet_st -m espnet2.bin.mt_train" "${train}" "${valid}" \
        "${stats}" src_text_shape "src_text,src_text,text text,text,text" \
        --config "${config}" --token_list "${token_dir}/tokens.txt" \
        ${token_opts} ${src_opts} ${asr_args}
    touch "${exp}/.done"
}

# decode NAME: the test set's words
decode() {
    local name=$1 exp=${expdir}/asr2_$1 src=${datadir}/tokens_$1/${test_set} out
    out=${exp}/decode/${test_set}
    need 2 "${src}/.done"
    need 3 "${exp}/.done" "${exp}/${inference_model}"
    made "${out}" "${exp}/.inputs" "${exp}/${inference_model}" "${src}/src_text" \
        "${decode_config}" "${decode_args}" && return
    recognise "${labels[${name}]}" "${out}" "${src}/src_text" src_text,text espnet2.bin.mt_inference \
        --config "${decode_config}" --mt_train_config "${exp}/config.yaml" \
        --mt_model_file "${exp}/${inference_model}" ${decode_args}
}

# ---- stages ----------------------------------------------------------------------

stage_1() {
    local set codes out root
    root=$(realpath "${speechtok_dir}")
    for set in "${train_set}" "${valid_set}" "${test_set}"; do
        codes=${codesdir}/${set} out=${datadir}/${set}
        [ -e "${codes}/codes.scp" ] && [ -e "${codes}/text" ] ||
            die "${codes}/codes.scp or text is missing: '${speechtok_dir}/run.sh --stop_stage 5'" \
                "makes codec and codes; or name others with --codesdir"
        made "${out}" "${codes}/codes.scp" "${codes}/text" "${root} ${max_utts}" && continue
        awk -v root="${root}/" -v max="${max_utts}" \
            'max == 0 || NR <= max { print $1, ($2 ~ /^\// ? "" : root) $2 }' \
            "${codes}/codes.scp" >"${out}/codes.scp"
        keep_keys "${out}/codes.scp" "${codes}/text" "${out}/text"
        [ ! -e "${codes}/codebooks.npy" ] || cp "${codes}/codebooks.npy" "${out}/"
        touch "${out}/.done"
    done
}

stage_2() {
    local name set args
    need 1 "${datadir}/${train_set}/.done" "${datadir}/${valid_set}/.done" "${datadir}/${test_set}/.done"
    make_token_list "${datadir}/${train_set}/text" "${token_dir}"
    for name in "${names[@]}"; do
        args=$(sed 's/#.*//' "conf/tokens_${name}.conf")
        write_tokens "${name}" "${train_set}" ${args}
        for set in "${valid_set}" "${test_set}"; do
            write_tokens "${name}" "${set}" --tokens "${datadir}/tokens_${name}/${train_set}"
        done
    done
}

stage_3() {
    local name
    need 2 "${token_dir}/.done"
    "${python}" -c "import editdistance" 2>/dev/null ||
        die "ESPnet's ASR training needs editdistance: pip install editdistance (no wheel for" \
            "Python 3.13: it needs a compiler there)"
    at_once train_asr "${names[@]}"
}

stage_4() {
    local name
    for name in "${names[@]}"; do decode "${name}"; done
}

stage_5() {
    local name
    local -a texts=() shapes=()
    for name in "${names[@]}"; do
        need 4 "${expdir}/asr2_${name}/decode/${test_set}/.done"
        texts+=("${labels[${name}]}=${expdir}/asr2_${name}/decode/${test_set}/text")
        shapes+=("${labels[${name}]}=${datadir}/tokens_${name}/${test_set}/src_text_shape")
    done
    "${python}" -m espnet_st.bin.score_wer --reference "${datadir}/${test_set}/text" \
        --title "Recognition of ${test_set}" --output "${expdir}/RESULTS.md" "${texts[@]}"
    "${python}" scripts/length_table.py "${datadir}/${test_set}/codes.scp" "${shapes[@]}" \
        >>"${expdir}/RESULTS.md"
    cat "${expdir}/RESULTS.md"
}

run_stages data tokens training decoding scoring
