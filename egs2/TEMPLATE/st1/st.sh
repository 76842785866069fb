#!/usr/bin/env bash
# SpeechTokenizer, USLM and SLMTokBench on one corpus, in stages. A stage is a few lines
# over scripts/helpers.sh; it can be run again, and takes up what it had.
# shellcheck disable=SC2046,SC2086 # *_args, *_opts and the commands hold several words
set -euo pipefail

help_message="Usage: $0 [options]

  1  data preparation          local/data.sh -> data/<set>
  2  formatting                16 kHz, mono, not too short or too long -> dump/raw/<set>
  3  semantic teacher, tokens  exp/teacher, dump/token_list
  4  codec                     exp/codec_<tag>
  5  tokenizing                dump/codes/<set>
  6  USLM                      exp/uslm_<tag>
  7  decoding                  exp/*/decode_*/<set>
  8  scoring                   exp/results/{RESULTS.md,report.html}
  9  packing, 10 upload        reserved, not here yet

Options [default]:"

# What to run
stage=1          # first stage
stop_stage=8     # last stage
smoke=false      # a few utterances and steps, to see that all stages run
baseline=false   # beside it a codec without distillation, and VALL-E: the USLM on its codes
codec_only=false # leave out stage 6 and what needs its model
local_data_opts= # options for local/data.sh

# Where to run
python=python3 # Python interpreter
ngpu=0         # GPUs per node; 0 runs on the CPU
num_nodes=1    # nodes for training
nj=2           # jobs in an array
num_threads=2  # threads of a job that runs alone

# Directories and sets
datadir=data    # what stage 1 makes
dumpdir=dump    # what stages 2, 3 and 5 make
expdir=exp      # models and results
train_set=train # training set
valid_set=dev   # validation set
test_set="test" # test set

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

# Codec
codec_config=conf/train_speechtokenizer.yaml # training of the codec
codec_tag=                                   # name of the experiment; empty: from the configuration
codec_args=                                  # more options for its training, e.g. "--max_epoch 3"
tokenize_batch_size=8                        # utterances at once

# USLM
uslm_config=conf/train_uslm.yaml    # training of the USLM
uslm_tag=                           # name of the experiment; empty: from the configuration
uslm_args=                          # more options for its training
uslm_apart=false                    # train the AR and the NAR model one by one, then join them
ar_args=                            # more options for the AR model trained apart
nar_args=                           # more options for the NAR model trained apart
decode_config=conf/decode_uslm.yaml # sampling
max_decode_utts=0                   # utterances to synthesize and to convert; 0: all

# Scoring
bench_config=conf/slmtokbench.yaml # what is scored, and how
bench_args=                        # more options for scoring

[ -e utils/parse_options.sh ] || {
    printf '%s\n' "st.sh: error: run this in a recipe's directory, or run the recipe's run.sh" >&2
    exit 1
}
. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
. scripts/helpers.sh

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

# tag CONFIG: the name of an experiment after its configuration
tag() {
    local name
    name=$(basename "$1" .yaml)
    name=${name#train_}
    printf '%s' "${name}"
}
codec_exp=${expdir}/codec_${codec_tag:-$(tag "${codec_config}")}
uslm_exp=${expdir}/uslm_${uslm_tag:-$(tag "${uslm_config}")}
teacher_dir=${teacher:-${expdir}/teacher}
units_dir=${expdir}/units
teach=(--codec_conf "teacher_conf.name=${teacher_dir}")
if [ "${units}" -gt 0 ]; then
    teach+=(--codec_conf teacher_conf.layer=units --codec_conf "semantic_dimension=${units}"
        --codec_conf "teacher_conf.units_file=${units_dir}/units.npy")
fi
token_dir=${dumpdir}/token_list/${token_type}_${g2p}_${cleaner}
token_opts="--token_type ${token_type} --g2p ${g2p} --cleaner ${cleaner}"
if [ "${token_type}" = bpe ]; then
    token_dir=${dumpdir}/token_list/bpe${nbpe}_${cleaner}
    token_opts+=" --bpemodel ${token_dir}/bpe.model"
fi
token_list=${token_dir}/tokens.txt
results=${expdir}/results
export OMP_NUM_THREADS=${num_threads}

# ---- stages ----------------------------------------------------------------------

stage_1() {
    local/data.sh --output_dir "${datadir}" --nj "${nj}" --python "${python}" ${local_data_opts}
}

stage_2() {
    local set
    for set in "${train_set}" "${valid_set}" "${test_set}"; do
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
    elif ! made "${token_dir}" "${train}/text"; then
        log "writing ${token_list}"
        [ "${token_type}" != bpe ] || "${python}" scripts/train_bpe.py --pieces "${nbpe}" \
            --cleaner "${cleaner}" "${train}/text" "${token_dir}/bpe.model"
        ngpu=0 submit "token list" 1 "${token_dir}/tokenize_text.log" \
            "${python}" -m espnet2.bin.tokenize_text --input "${train}/text" --field 2- \
            --output "${token_list}" ${token_opts} --write_vocabulary true \
            --add_symbol '"<blank>:0"' --add_symbol '"<unk>:1"' --add_symbol '"<sos/eos>:-1"'
        touch "${token_dir}/.done"
    fi
}

# each_codec FUNCTION: call it with the name, directory, directory of codes and training
# options of each codec of this run
each_codec() {
    "$1" codec "${codec_exp}" "${dumpdir}/codes"
    if [ "${baseline}" = true ]; then
        "$1" baseline "${codec_exp}_nodistill" "${dumpdir}/codes_$(basename "${codec_exp#*/codec_}")_nodistill" \
            --codec_conf lambda_distill=0
    fi
}

# lm_of CODEC_EXP: directory of the USLM on the codes of a codec; the baseline's is VALL-E
lm_of() { printf '%s' "${uslm_exp}${1#"${codec_exp}"}"; }

train_codec() {
    local name=$1 exp=$2
    shift 3
    fit "${name}" "${exp}" espnet_st.bin.codec_train "${dumpdir}/raw/${train_set}" \
        "${dumpdir}/raw/${valid_set}" "${expdir}/codec_stats" audio_shape wav.scp,audio,sound \
        --config "${codec_config}" "${teach[@]}" ${codec_args} "$@"
}

stage_4() {
    local train=${dumpdir}/raw/${train_set} valid=${dumpdir}/raw/${valid_set}
    need 2 "${train}/wav.scp" "${valid}/wav.scp"
    [ -n "${teacher}" ] || need 3 "${teacher_dir}/.done"
    [ "${units}" -eq 0 ] || need 3 "${units_dir}/.done"
    collect_stats codec "${expdir}/codec_stats" espnet_st.bin.codec_train "${train}" "${valid}" \
        wav.scp wav.scp,audio,sound --config "${codec_config}" ${codec_args}
    each_codec train_codec
}

tokenize() {
    local name=$1 exp=$2 codes=$3 set raw out n file
    need 4 "${exp}/latest.pth"
    for set in "${train_set}" "${valid_set}" "${test_set}"; do
        raw=${dumpdir}/raw/${set} out=${codes}/${set} n=1
        need 2 "${raw}/wav.scp"
        [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${raw}/wav.scp")
        made "${out}" "${exp}/latest.pth" "${raw}/wav.scp" "${n} jobs" && continue
        submit "${name}: tokenize ${set}" "${n}" "${out}/logdir/tokenize.JOB.log" \
            "${python}" -m espnet_st.bin.tokenize --wav_scp "${raw}/wav.scp" --codec "${exp}" \
            --output_dir "${out}/logdir/JOB" --nj "${n}" --job JOB \
            --batch_size "${tokenize_batch_size}" --ngpu "${ngpu}"
        gather "${n}" "${out}/logdir" codes.scp "${out}/codes.scp"
        LC_ALL=C sort -o "${out}/codes.scp" "${out}/codes.scp"
        cat "${out}/logdir/"*/skipped.txt >"${out}/skipped.txt"
        cp "${out}/logdir/1/codebooks.npy" "${out}"
        for file in text utt2spk; do
            [ ! -e "${raw}/${file}" ] || keep_keys "${out}/codes.scp" "${raw}/${file}" "${out}/${file}"
        done
        awk '{ utts[$2] = utts[$2] " " $1 } END { for (spk in utts) print spk utts[spk] }' \
            "${out}/utt2spk" | LC_ALL=C sort >"${out}/spk2utt"
        touch "${out}/.done"
    done
}

stage_5() { each_codec tokenize; }

# fit_lm NAME EXP ARGS...: with what train_lm found out
fit_lm() {
    local name=$1 exp=$2
    shift 2
    fit "${name}" "${exp}" espnet_st.bin.tts_train "${train}" "${valid}" \
        "${stats}" "text_shape.${token_type} speech_shape" "${data}" ${uslm_opts} "$@"
}

train_lm() {
    local name=USLM codec=$2 train=$3/${train_set} valid=$3/${valid_set} exp stats part n_q
    local data="text,text,text codes.scp,speech,kaldi_ark"
    [ "$1" = codec ] || name=VALL-E
    exp=$(lm_of "${codec}")
    stats=${expdir}/uslm_stats${codec#"${codec_exp}"}
    need 5 "${train}/.done" "${valid}/.done"
    n_q=$("${python}" -c "from espnet_st.codes import CodesReader
codes = CodesReader('${valid}/codes.scp')
print(len(codes[next(iter(codes))]))")
    local uslm_opts="--config ${uslm_config} --token_list ${token_list} ${token_opts}
        --odim ${n_q} --normalize none ${uslm_args}"
    ! grep -q "^ *codebooks:" "${uslm_config}" ||
        uslm_opts+=" --tts_conf codebooks=${train}/codebooks.npy"
    if grep -q "^ *nar_prompt: *speaker" "${uslm_config}"; then
        for part in "${train}" "${valid}"; do "${python}" scripts/make_prompts.py "${part}"; done
        data+=" prompt.scp,voice,kaldi_ark"
    fi
    collect_stats "${name}" "${stats}" espnet_st.bin.tts_train "${train}" "${valid}" text "${data}" \
        ${uslm_opts}
    for part in train valid; do
        awk -v n="$(wc -l <"${token_list}")" '{ print $0 "," n }' "${stats}/${part}/text_shape" \
            >"${stats}/${part}/text_shape.${token_type}"
    done
    if [ "${uslm_apart}" = true ]; then
        fit_lm "${name} AR" "${exp}_ar" --tts_conf train=ar ${ar_args}
        fit_lm "${name} NAR" "${exp}_nar" --tts_conf train=nar ${nar_args}
        "${python}" -m espnet_st.bin.uslm_join --ar "${exp}_ar" --nar "${exp}_nar" \
            --output_dir "${exp}"
    else
        fit_lm "${name}" "${exp}"
    fi
    # Inference finds the codec of these codes by it.
    printf 'codec: %s\n' "$(realpath --relative-to "${exp}" "${codec}")" >"${exp}/codec.yaml"
}

stage_6() {
    [ "${codec_only}" = false ] || return 0
    need 3 "${token_list}"
    each_codec train_lm
}

# resynthesize NAME EXP CODES: waveforms from the first layer, and from all
resynthesize() {
    local name=$1 exp=$2 codes=$3/${test_set} layers out
    need 4 "${exp}/latest.pth"
    need 5 "${codes}/.done"
    for layers in 1 1-8; do
        out=${exp}/decode_rvq${layers/-/_}/${test_set}
        made "${out}" "${exp}/latest.pth" "${codes}/codes.scp" && continue
        submit "${name}: decode RVQ-${layers/-/:}" 1 "${out}/decode.log" \
            "${python}" -m espnet_st.bin.codec_inference --codec "${exp}" --layers "${layers}" \
            --codes_scp "${codes}/codes.scp" --wav_scp "${dumpdir}/raw/${test_set}/wav.scp" \
            --output_dir "${out}" --ngpu "${ngpu}"
        touch "${out}/.done"
    done
}

# convert: the semantic layer of a source with acoustic layers of a reference, or with
# those that the NAR model writes after the reference
convert() {
    local pairs=$1 codes=${dumpdir}/codes/${test_set} layers
    for layers in 2 2-4 2-8; do
        convert_by "RVQ-${layers/-/:}" "rvq${layers/-/_}" "${codec_exp}" --layers "${layers}"
    done
    [ "${codec_only}" = true ] ||
        convert_by "the NAR model" nar "${uslm_exp}" --method nar --uslm "${uslm_exp}" \
            --text "${codes}/text"
}

# convert_by WHAT NAME EXP ARGS...: one way of conversion, with the model of an experiment
convert_by() {
    local what=$1 exp=$3 out=$3/decode_vc_$2/${test_set}
    shift 3
    made "${out}" "${exp}/latest.pth" "${codec_exp}/latest.pth" "${codes}/codes.scp" \
        "${pairs}/utt2ref" && return
    submit "conversion with ${what}" 1 "${out}/decode.log" \
        "${python}" -m espnet_st.bin.voice_conversion --codec "${codec_exp}" \
        --codes_scp "${codes}/codes.scp" --utt2ref "${pairs}/utt2ref" "$@" \
        --output_dir "${out}" --ngpu "${ngpu}"
    touch "${out}/.done"
}

# synthesize NAME EXP: speech of a text in the voice of a prompt, in a codec's codes
synthesize() {
    local codec=$2 pairs=${dumpdir}/raw/${test_set}/zeroshot lm out n=1 job
    lm=$(lm_of "${codec}")
    out=${lm}/decode_zeroshot/${test_set}
    need 6 "${lm}/latest.pth"
    made "${out}" "${lm}/latest.pth" "${codec}/latest.pth" "${decode_config}" \
        "${pairs}/text" "${pairs}/prompt_wav.scp" && return
    [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${pairs}/text")
    split "${n}" "${out}" "${pairs}/text" "${pairs}/prompt_wav.scp" "${pairs}/prompt_text"
    submit "$1: zero-shot synthesis" "${n}" "${out}/decode.JOB.log" \
        "${python}" -m espnet_st.bin.tts_inference --uslm "${lm}" --codec "${codec}" \
        --config "${decode_config}" --ngpu "${ngpu}" --output_dir "${out}/JOB" \
        --data_path_and_name_and_type "${out}/JOB/text,text,text" \
        --data_path_and_name_and_type "${out}/JOB/prompt_wav.scp,speech,sound" \
        --data_path_and_name_and_type "${out}/JOB/prompt_text,prompt_text,text"
    mkdir -p "${out}/wav"
    for job in $(seq "${n}"); do
        find "${out}/${job}/wav" -name '*.wav' -exec mv -t "${out}/wav" {} +
    done
    gather "${n}" "${out}" codes.scp "${out}/codes.scp"
    gather "${n}" "${out}" wav.scp "${out}/wav.scp"
    sed -i "s| ${out}/[0-9]*/wav/| ${out}/wav/|" "${out}/wav.scp"
    log "${out}: $(wc -l <"${out}/wav.scp") of $(wc -l <"${pairs}/text") utterances"
    touch "${out}/.done"
}

stage_7() {
    local raw=${dumpdir}/raw/${test_set}
    need 2 "${raw}/wav.scp"
    "${python}" scripts/make_pairs.py --max_utts "${max_decode_utts}" "${raw}"
    each_codec resynthesize
    convert "${raw}/conversion"
    [ "${codec_only}" = true ] || each_codec synthesize
}

stage_8() {
    local -a exps=(--codec_exp "${codec_exp}")
    need 7 "${codec_exp}/decode_rvq1_8/${test_set}/.done"
    [ ! -e "${codec_exp}_nodistill/decode_rvq1_8/${test_set}/.done" ] ||
        exps+=(--baseline_exp "${codec_exp}_nodistill")
    [ ! -e "${uslm_exp}/decode_zeroshot/${test_set}/.done" ] || exps+=(--uslm_exp "${uslm_exp}")
    [ ! -e "${uslm_exp}_nodistill/decode_zeroshot/${test_set}/.done" ] ||
        exps+=(--valle_exp "${uslm_exp}_nodistill")
    submit scores 1 "${results}/slmtokbench.log" \
        "${python}" -m espnet_st.bin.slmtokbench --config "${bench_config}" "${exps[@]}" \
        --dump_dir "${dumpdir}" --data_dir "${datadir}" --test_set "${test_set}" \
        --train_set "${train_set}" --valid_set "${valid_set}" --output_dir "${results}" \
        --nj "${nj}" ${bench_args}
    cat "${results}/RESULTS.md"
    log "the report is ${results}/report.html"
}

stage_9() { die "stage 9, packing, is reserved and not here yet: use --stop_stage 8"; }
stage_10() { die "stage 10, upload, is reserved and not here yet: use --stop_stage 8"; }

titles=("" "data preparation" "formatting" "semantic teacher and tokens" codec tokenizing USLM
    decoding scoring packing upload)
[[ ${stage} =~ ^([1-9]|10)$ && ${stop_stage} =~ ^([1-9]|10)$ ]] ||
    die "--stage ${stage} --stop_stage ${stop_stage}: expected numbers from 1 to 10"
for ((current = stage; current <= stop_stage; current++)); do
    log "stage ${current}: ${titles[current]}"
    started=${SECONDS}
    "stage_${current}"
    log "stage ${current} took $((SECONDS - started)) s"
done
