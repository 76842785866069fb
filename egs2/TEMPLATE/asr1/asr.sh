#!/usr/bin/env bash
# A recogniser on spectra and on speech tokens, by ESPnet's own ASR commands, in stages. A
# stage is a few lines over scripts/helpers.sh; it can be run again, and takes up what it had.
# shellcheck disable=SC2086 # *_opts and *_args hold several words
set -euo pipefail

help_message="Usage: $0 [options]

  1  data                      of --speechtok_dir or --rawdir -> data/<set>
  2  token list                data/token_list
  3  training                  exp/asr_<name>
  4  decoding                  exp/asr_<name>/decode/<set>
  5  scoring                   exp/RESULTS.md

Stages 3 to 5 go through the recognisers of --systems.

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
systems="log-mel=fbank RVQ-1=rvq1 RVQ-1:8=rvq1_8" # LABEL=NAME of conf/train_asr_NAME.yaml, ...
codec=                                            # directory, packed zip or name of the codec of token systems

# Directories and sets
speechtok_dir=../speechtok1 # recipe that made data and codec
rawdir=                     # directories of formatted sets; empty: dump/raw of that recipe
datadir=data                # what stages 1 and 2 make
expdir=exp                  # models and results
train_set=train             # training set
valid_set=dev               # validation set
test_set="test"             # test set
max_utts=0                  # utterances of each set; 0: all

# Recognisers
fs=16000                           # sample rate of the data in Hz
token_type=bpe                     # as in ESPnet: bpe, char, word
nbpe=150                           # pieces of a sentencepiece model, for token_type bpe
cleaner=none                       # text cleaner, as in ESPnet
asr_args=                          # more options for the training of each, e.g. "--max_epoch 3"
inference_model=valid.acc.ave.pth  # which of its checkpoints decodes
decode_config=conf/decode_asr.yaml # beam search
decode_args=                       # more options for decoding

[ -e utils/parse_options.sh ] || {
    printf '%s\n' "asr.sh: error: run this in a recipe's directory, or run the recipe's run.sh" >&2
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

rawdir=${rawdir:-${speechtok_dir}/dump/raw}
check_names "${speechtok_dir}" "${rawdir}" "${datadir}" "${expdir}" "${train_set}" "${valid_set}" \
    "${test_set}" "${decode_config}" "${inference_model}" "${codec//:/}"
check_gpus

read_systems "${systems}" conf/train_asr_%.yaml

train=${datadir}/${train_set} valid=${datadir}/${valid_set} test=${datadir}/${test_set}
choose_tokens "${datadir}/token_list"
export OMP_NUM_THREADS=${num_threads}
[ -t 2 ] || export TQDM_MININTERVAL=15 # a log is not for a bar that moves

# reads_tokens NAME: whether a system's frontend is the codec
reads_tokens() { grep -q '^frontend: *speechtokenizer' "conf/train_asr_$1.yaml"; }

# frontend_state NAME: what depends on a system's codec depends on this, see made
frontend_state() {
    if reads_tokens "$1"; then source_state "${codec}"; else printf none; fi
}

# train_asr NAME
train_asr() {
    local name=$1 exp=${expdir}/asr_$1 config=conf/train_asr_$1.yaml
    local frontend_opts="--frontend_conf fs=${fs}"
    ! reads_tokens "${name}" || frontend_opts+=" --frontend_conf codec=${codec}"
    made "${exp}" "${config}" "${train}/wav.scp" "${train}/text" "${valid}/wav.scp" \
        "${token_dir}/tokens.txt" "$(frontend_state "${name}")" "${fs} ${asr_args}" && return
    fit "${labels[${name}]}" "${exp}" "espnet_st -m espnet2.bin.asr_train" "${train}" "${valid}" \
        "${expdir}/asr_stats" speech_shape "wav.scp,speech,sound text,text,text" \
        --config "${config}" ${frontend_opts} --token_list "${token_dir}/tokens.txt" \
        ${token_opts} ${asr_args}
    touch "${exp}/.done"
}

# decode NAME: the test set's words
decode() {
    local name=$1 exp=${expdir}/asr_$1 out
    out=${exp}/decode/${test_set}
    need 3 "${exp}/.done" "${exp}/${inference_model}"
    made "${out}" "${exp}/.inputs" "${exp}/${inference_model}" "${test}/wav.scp" \
        "${decode_config}" "${decode_args}" && return
    recognise "${labels[${name}]}" "${out}" "${test}/wav.scp" speech,sound espnet2.bin.asr_inference \
        --config "${decode_config}" --asr_train_config "${exp}/config.yaml" \
        --asr_model_file "${exp}/${inference_model}" ${decode_args}
}

# ---- stages ----------------------------------------------------------------------

stage_1() {
    local set raw
    for set in "${train_set}" "${valid_set}" "${test_set}"; do
        raw=${rawdir}/${set}
        [ -e "${raw}/wav.scp" ] && [ -e "${raw}/text" ] ||
            die "${raw}/wav.scp or text is missing: '${speechtok_dir}/run.sh --stop_stage 4'" \
                "makes data and codec; or name other sets with --rawdir"
        made "${datadir}/${set}" "${raw}/wav.scp" "${raw}/text" "${raw}/utt2spk" \
            "${rawdir} ${fs} ${max_utts}" && continue
        "${python}" scripts/take_data.py --fs "${fs}" --max_utts "${max_utts}" "${raw}" \
            "${datadir}/${set}"
        touch "${datadir}/${set}/.done"
    done
}

stage_2() {
    need 1 "${train}/.done"
    make_token_list "${train}/text" "${token_dir}"
}

stage_3() {
    local name stats=${expdir}/asr_stats
    local -a last_first=()
    need 1 "${train}/.done" "${valid}/.done"
    need 2 "${token_dir}/.done"
    "${python}" -c "import editdistance" 2>/dev/null ||
        die "ESPnet's ASR training needs editdistance: pip install editdistance (no wheel for" \
            "Python 3.13: it needs a compiler there)"
    # Lengths are all that batches need: stage 1 has counted them.
    mkdir -p "${stats}/train" "${stats}/valid"
    cp "${train}/utt2num_samples" "${stats}/train/speech_shape"
    cp "${valid}/utt2num_samples" "${stats}/valid/speech_shape"
    for name in "${names[@]}"; do
        ! reads_tokens "${name}" || {
            "${python}" scripts/check_codec.py --fs "${fs}" --recipe "${speechtok_dir}" "${codec}"
            break
        }
    done
    # More layers take longer: they begin, so that no core is idle at the end.
    for name in "${names[@]}"; do last_first=("${name}" "${last_first[@]}"); done
    at_once train_asr "${last_first[@]}"
}

stage_4() {
    local name
    need 1 "${test}/.done"
    for name in "${names[@]}"; do decode "${name}"; done
}

stage_5() {
    local name
    local -a texts=()
    for name in "${names[@]}"; do
        need 4 "${expdir}/asr_${name}/decode/${test_set}/.done"
        texts+=("${labels[${name}]}=${expdir}/asr_${name}/decode/${test_set}/text")
    done
    "${python}" -m espnet_st.bin.score_wer --reference "${test}/text" \
        --title "Recognition of ${test_set}" --output "${expdir}/RESULTS.md" "${texts[@]}"
    cat "${expdir}/RESULTS.md"
}

run_stages data "token list" training decoding scoring
