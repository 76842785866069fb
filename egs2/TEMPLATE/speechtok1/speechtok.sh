#!/usr/bin/env bash
# SpeechTokenizer, USLM and SLMTokBench on one corpus, in stages. A stage is a few lines
# over scripts/{helpers,codec,uslm,zoo}.sh; it can be run again, and takes up what it had.
# shellcheck disable=SC2046,SC2086 # *_args, *_opts and the commands hold several words
set -euo pipefail

help_message="Usage: $0 [options]

  1  data preparation          local/data.sh -> data/<set>
  2  formatting                one rate, mono, not too short or too long -> dump/raw/<set>
  3  semantic teacher, tokens  exp/teacher, dump/token_list
  4  codecs                    exp/codec_<key>
  5  tokenizing                dump/codes_<key>/<set>
  6  USLMs                     exp/uslm_<key>
  7  decoding                  exp/*/decode_*/<set>
  8  scoring                   exp/results/{RESULTS.md,report.html}
  9  packing                   exp/{codec,uslm}_<key>.zip, for ESPnet's model zoo
  10 sharing                   prints what would go to the Hugging Face hub; see --upload

Stages 4 to 10 go through the systems of --systems: a key, a label, a codec, maybe a USLM.

Options [default]:"

# What to run
stage=1          # first stage
stop_stage=8     # last stage
smoke=false      # a few utterances and steps, to see that all stages run
codec_only=false # leave out the USLMs
local_data_opts= # options for local/data.sh

# Where to run
python=python3 # Python interpreter
ngpu=0         # GPUs per node; 0 runs on the CPU
num_nodes=1    # nodes for training
nj=2           # jobs in an array
num_threads=2  # threads of a job that runs alone

# What is made and compared
systems=conf/systems.yaml # list of systems
seeds=                    # train each system with these, e.g. "1 2 3"; empty: with its configuration's

# Directories and sets
datadir=data    # what stage 1 makes
dumpdir=dump    # what stages 2, 3 and 5 make
expdir=exp      # models and results
train_set=train # training set
valid_set=dev   # validation set
test_set="test" # test set
other_sets=     # sets that are resynthesized and shown, not scored: unseen languages

# Formatting
fs=16000         # sample rate in Hz
min_seconds=0.5  # shorter utterances are dropped
max_seconds=30.0 # longer utterances are dropped

# Teacher and phonemes
teacher=                               # HuBERT's directory or hub name; empty: train a small one
teacher_config=conf/train_teacher.yaml # training of the small one
teacher_args=                          # more options for its training
units=0                                # distil this many clusters of the teacher's features; 0: the features
units_layer=avg                        # of the teacher, to cluster: avg or an index
token_type=phn                         # as in ESPnet: phn, char, word, bpe
g2p=espeak_ng_english_us_vits          # grapheme to phoneme, as in ESPnet; none: text is phonemes
nbpe=500                               # pieces of a sentencepiece model, for token_type bpe
cleaner=none                           # text cleaner, as in ESPnet

# Codecs
codec_args=           # more options for the training of each, e.g. "--max_epoch 3"
tokenize_batch_size=8 # utterances at once

# USLMs
uslm_args=                          # more options for the training of each
uslm_apart=false                    # train the AR and the NAR model one by one, then join them
ar_args=                            # more options for the AR model trained apart
nar_args=                           # more options for the NAR model trained apart
decode_config=conf/decode_uslm.yaml # sampling; stage 6 makes it the defaults of the model
max_decode_utts=0                   # utterances to synthesize and to convert; 0: all
conversion_source=                  # speaker or utterance that all voices are converted from; empty: all in turn

# Scoring
bench_config=conf/slmtokbench.yaml # what is scored, and how
bench_args=                        # more options for scoring
listening_tests=false              # write pages on which raters judge what stage 7 made

# Model zoo
license=cc-by-4.0 # of the models, as a model card names it
language=en       # of the corpus, as a model card names it
training_data=    # name of the corpus; empty: the recipe's
hub_owner=        # user or organization on the hub; models are <owner>/<corpus>_<model>
hub_revision=main # branch on the hub
upload=false      # whether stage 10 sends the models

[ -e utils/parse_options.sh ] || {
    printf '%s\n' "speechtok.sh: error: run this in a recipe's directory, or run the recipe's run.sh" >&2
    exit 1
}
. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
. scripts/helpers.sh
. scripts/codec.sh
. scripts/uslm.sh
. scripts/zoo.sh

[ $# -eq 0 ] || die "unknown arguments: $*"

if [ "${smoke}" = true ]; then
    local_data_opts+=" --smoke true"
    teacher_args+=" --smoke true"
    codec_args+=" --max_epoch 1 --num_iters_per_epoch 3 --batch_size 2"
    uslm_args+=" --max_epoch 1 --num_iters_per_epoch 3"
    bench_args+=" --max_utterances 4 --mi_utterances 8 --downstream_steps 4 --players 1"
    max_decode_utts=4
    nj=1 # starting a job costs more than what it does
fi

check_names "${datadir}" "${dumpdir}" "${expdir}" "${train_set}" "${valid_set}" "${test_set}" \
    "${teacher//:/}" "${teacher_config}" "${systems}" "${decode_config}" "${bench_config}" \
    ${other_sets} ${seeds} "${conversion_source}" "${license}" "${language//,/}" "${training_data}" "${hub_owner}" "${hub_revision}"
check_gpus
arrays=$("${python}" scripts/systems.py list --expdir "${expdir}" --dumpdir "${dumpdir}" --fs "${fs}" \
    --codec_only "${codec_only}" ${seeds:+--seeds ${seeds}} -- "${systems}")
eval "${arrays}"
check_names "${codec_exp[@]}" "${codec_config[@]}" "${codes_dir[@]}" "${lm_exp[@]}" "${lm_config[@]}" \
    "${codec_train_set[@]}" "${lm_train_set[@]}"

teacher_dir=${teacher:-${expdir}/teacher}
units_dir=${expdir}/units
choose_tokens "${dumpdir}/token_list" "${g2p}"
token_list=${token_dir}/tokens.txt
results=${expdir}/results
export OMP_NUM_THREADS=${num_threads}
[ -t 2 ] || export TQDM_MININTERVAL=15 # a log is not for a bar that moves

# each_system FUNCTION: call it with the key of each system
each_system() {
    local key
    for key in "${keys[@]}"; do "$1" "${key}"; done
}

# sets_of KEY: the sets that a system's codec makes codes of
sets_of() {
    printf '%s\n' "${train_set}" "${lm_train_set[$1]:-${train_set}}" "${valid_set}" "${test_set}" \
        ${other_sets} | awk '!seen[$0]++'
}

# ---- stages ----------------------------------------------------------------------

stage_1() {
    local/data.sh --output_dir "${datadir}" --nj "${nj}" --python "${python}" ${local_data_opts}
}

stage_2() {
    local set sets
    sets=$(each_system sets_of && printf '%s\n' "${codec_train_set[@]}")
    for set in $(printf '%s\n' "${sets}" | awk 'NF && !seen[$0]++'); do
        need 1 "${datadir}/${set}/wav.scp"
        local in=${datadir}/${set} out=${dumpdir}/raw/${set}
        made "${out}" "${in}/wav.scp" "${in}/text" "${in}/utt2spk" "${in}/phones" \
            "${in}/phones.ctm" "${fs} ${min_seconds} ${max_seconds}" && continue
        "${python}" scripts/format_wav_scp.py --nj "${nj}" --sample_rate "${fs}" \
            --min_seconds "${min_seconds}" --max_seconds "${max_seconds}" "${in}" "${out}"
        touch "${out}/.done"
    done
}

stage_3() {
    local train=${dumpdir}/raw/${train_set} valid=${dumpdir}/raw/${valid_set}
    need 2 "${train}/wav.scp" "${valid}/wav.scp"
    if [ -n "${teacher}" ]; then
        submit "teacher: check" 1 "${expdir}/teacher_check.log" \
            "${python}" -m espnet_st.bin.teacher check --teacher "${teacher}"
    elif ! made "${teacher_dir}" "${teacher_config}" "${train}/wav.scp" "${teacher_args}"; then
        submit teacher 1 "${teacher_dir}/train.log" \
            "${python}" -m espnet_st.bin.teacher train --config "${teacher_config}" \
            --train_dir "${train}" --valid_dir "${valid}" --output_dir "${teacher_dir}" \
            --ngpu "${ngpu}" ${teacher_args}
        touch "${teacher_dir}/.done"
    fi
    if [ "${units}" -gt 0 ] && ! made "${units_dir}" "${teacher}" "${teacher_dir}/model.safetensors" \
        "${train}/wav.scp" "${units} ${units_layer}"; then
        submit units 1 "${units_dir}/units.log" \
            "${python}" -m espnet_st.bin.teacher units --teacher "${teacher_dir}" --layer "${units_layer}" \
            --n_clusters "${units}" --wav_scp "${train}/wav.scp" --output "${units_dir}/units.npy"
        touch "${units_dir}/.done"
    fi
    if [ ! -e "${train}/text" ]; then
        log "${train} has no text: no token list, and nothing for stage 6"
    else
        make_token_list "${train}/text" "${token_dir}"
    fi
}

stage_4() { each_system train_codec; }

stage_5() { each_system tokenize; }

stage_6() { each_system train_lm; }

stage_7() {
    local raw=${dumpdir}/raw/${test_set}
    need 2 "${raw}/wav.scp"
    "${python}" scripts/make_pairs.py --max_utts "${max_decode_utts}" --sample_rate "${fs}" \
        ${conversion_source:+--conversion_source "${conversion_source}"} "${raw}"
    each_system resynthesize
    each_system convert
    each_system synthesize
}

stage_8() {
    local of_each=()
    local seed
    need 7 "${codec_exp[${keys[0]}]}/decode_rvq1/${test_set}/.done"
    for seed in ${seeds}; do
        score "${results}_seed${seed}" --system_seed "${seed}"
        of_each+=("${results}_seed${seed}")
    done
    if [ ${#of_each[@]} -gt 0 ]; then
        submit "scores over seeds" 1 "${results}/over_seeds.log" \
            "${python}" -m espnet_st.bin.orderings --systems "${systems}" \
            --results "${of_each[@]}" --output_dir "${results}"
    else
        score "${results}"
    fi
    if [ "${listening_tests}" = true ]; then
        seed=${seeds%% *}
        submit "listening tests" 1 "${results}/listening_tests.log" \
            "${python}" -m espnet_st.bin.listening_pages --systems "${systems}" \
            --codec_only "${codec_only}" --exp_dir "${expdir}" --dump_dir "${dumpdir}" \
            --test_set "${test_set}" ${seed:+--system_seed "${seed}"} \
            --output_dir "${results}/listening_tests"
    fi
    cat "${results}/RESULTS.md"
    log "the report is ${results}/report.html"
}

# score DIR ARGS...: write the results of the systems, of one seed, to DIR
score() {
    local out=$1
    shift
    submit scores 1 "${out}/slmtokbench.log" \
        "${python}" -m espnet_st.bin.slmtokbench --config "${bench_config}" \
        --systems "${systems}" --codec_only "${codec_only}" --exp_dir "${expdir}" \
        --dump_dir "${dumpdir}" --data_dir "${datadir}" --test_set "${test_set}" \
        --train_set "${train_set}" --valid_set "${valid_set}" --output_dir "${out}" \
        ${other_sets:+--other_sets ${other_sets}} --nj "${nj}" --ngpu "${ngpu}" "$@" ${bench_args}
}

stage_9() { each_system pack_system; }

stage_10() {
    [ "${upload}" = false ] || [ -n "${hub_owner}" ] ||
        die "--upload true: say with --hub_owner where the models go"
    each_system share_system
    [ "${upload}" = true ] || log "nothing was sent: --upload true --hub_owner NAME sends it"
}

run_stages "data preparation" "formatting" "semantic teacher and tokens" codec tokenizing USLM \
    decoding scoring packing sharing
