#!/usr/bin/env bash
# Sourced by a script of stages: what stages have in common. Uses its options ${python}, ${nj},
# ${num_threads}, ${ngpu}, ${num_nodes}, and ${cuda_cmd} of cmd.sh. A MODULE to run may be two,
# "espnet_st -m espnet2.bin.asr_train": ESPnet's own command with this plugin.
# shellcheck disable=SC2046,SC2086,SC2154 # several words; options of that script

log() { printf '%s\n' "$(date '+%Y-%m-%dT%H:%M:%S') (${0##*/}) $*"; }
die() {
    printf '%s\n' "${0##*/}: error: $*" >&2
    exit 1
}
# check_names NAME...: fail if one would not pass through Kaldi's tables, ESPnet's options that
# are split at commas, and the shells of jobs
check_names() {
    local name
    for name in "$@"; do
        [[ ${name} =~ ^[[:alnum:]._/+=@%~-]*$ && ${name} != *JOB* ]] ||
            die "'${name}' holds a blank or another character that a stage would trip over: use" \
                "letters, digits and . _ / + = @ % ~ - in names of files and sets, and not JOB"
    done
}
# check_gpus: fail unless this machine has the GPUs of --ngpu, if jobs run on it
check_gpus() {
    if [ "${ngpu}" -gt 0 ] && [ "${cmd_backend}" = local ]; then
        "${python}" -c "from espnet_st.bin.options import pick_device; pick_device(${ngpu})" || exit 1
    fi
}
# need STAGE FILE...: fail unless the files are there, and say which stage makes them
need() {
    local by=$1 file
    shift
    for file in "$@"; do
        [ -e "${file}" ] || die "${file} is missing: stage ${by} makes it"
    done
}

# need_given KEY DIR: fail unless a model that this run does not train is there
need_given() { [ -e "$2" ] || die "$2 is missing: ${systems} says that a model of $1 lies there"; }

# model_state DIR CONFIG: an input for made: the last checkpoint of a model trained here, or
# sizes and times of the files of one that was trained elsewhere (no CONFIG)
model_state() {
    if [ -n "$2" ]; then
        printf '%s' "$1/latest.pth"
    else
        find "$1/" -maxdepth 1 -type f -printf '%f %s %T@\n' | LC_ALL=C sort
    fi
}

# source_state SOURCE: the same for a model that is a directory; else SOURCE, a zip or a name
source_state() { if [ -d "$1" ]; then model_state "$1" ""; else printf '%s' "$1"; fi; }

# made DIR INPUT...: whether DIR was finished from these inputs, files or words. What DIR
# holds from other inputs is removed; what it holds from these is left for a job to resume.
made() {
    local dir=$1 input sum
    shift
    sum=$(for input in "$@"; do
        if [ -f "${input}" ]; then sha256sum <"${input}"; else printf '%s\n' "${input}"; fi
    done | sha256sum | cut -d ' ' -f 1)
    if [ -d "${dir}" ] && [ "$(cat "${dir}/.inputs" 2>/dev/null || true)" != "${sum}" ]; then
        log "${dir} comes from other inputs: made anew"
        rm -r "${dir}"
    fi
    mkdir -p "${dir}"
    printf '%s\n' "${sum}" >"${dir}/.inputs"
    [ ! -e "${dir}/.done" ] || log "${dir} is finished: skipped"
    [ -e "${dir}/.done" ]
}

# submit NAME N LOG COMMAND...: run N jobs, JOB standing for the number of each; show how
# far they are and, if one fails, its log. Several jobs have one thread each.
submit() {
    local name=$1 n=$2 log=$3 threads=${num_threads}
    shift 3
    [ "${n}" -eq 1 ] || threads=1
    OMP_NUM_THREADS=${threads} "${python}" scripts/progress.py --name "${name}" --jobs "${n}" \
        --log "${log}" -- ${cuda_cmd} --gpu "${ngpu}" --num_threads "${threads}" \
        JOB=1:"${n}" "${log}" "$@"
}

# jobs_for FILE: how many jobs to split FILE for, at most ${nj}
jobs_for() {
    local lines
    lines=$(wc -l <"$1")
    printf '%s' "$((lines < nj ? lines : nj))"
}

# split N DIR FILE...: the n-th part of each file becomes DIR/n/<name of the file>
split() {
    local n=$1 dir=$2 file job outs
    shift 2
    for file in "$@"; do
        outs=()
        for ((job = 1; job <= n; job++)); do outs+=("${dir}/${job}/$(basename "${file}")"); done
        split_scp.pl "${file}" "${outs[@]}"
    done
}

# gather N DIR NAME OUT: put together DIR/1/NAME to DIR/N/NAME
gather() {
    local n=$1 dir=$2 name=$3 out=$4 job
    for ((job = 1; job <= n; job++)); do
        [ -s "${dir}/${job}/${name}" ] || die "${dir}/${job}/${name} is missing or empty"
        cat "${dir}/${job}/${name}"
    done >"${out}.part"
    mv "${out}.part" "${out}"
}

# data_args train|valid DIR SPEC...: ESPnet's options for data, SPEC as in "text,text,text"
data_args() {
    local part=$1 dir=$2 spec
    shift 2
    for spec in "$@"; do
        printf '%s ' "--${part}_data_path_and_name_and_type ${dir}/${spec}"
    done
}

# choose_tokens PARENT [G2P]: set ${token_dir}, below PARENT, and ESPnet's options ${token_opts}
# by ${token_type}, ${nbpe} and ${cleaner}
# shellcheck disable=SC2034 # the scripts use them
choose_tokens() {
    local parent=$1 g2p=${2:-}
    token_dir=${parent}/${token_type}${g2p:+_${g2p}}_${cleaner}
    token_opts="--token_type ${token_type}${g2p:+ --g2p ${g2p}} --cleaner ${cleaner}"
    if [ "${token_type}" = bpe ]; then
        token_dir=${parent}/bpe${nbpe}_${cleaner}
        token_opts+=" --bpemodel ${token_dir}/bpe.model"
    fi
}

# make_token_list TEXT DIR: ESPnet's list of the tokens of a text, DIR/tokens.txt, and with
# --token_type bpe the sentencepiece model before. Uses ${token_type}, ${nbpe}, ${cleaner} and
# ${token_opts}.
make_token_list() {
    local text=$1 dir=$2
    made "${dir}" "${text}" && return
    log "writing ${dir}/tokens.txt"
    [ "${token_type}" != bpe ] || "${python}" scripts/train_bpe.py --pieces "${nbpe}" \
        --cleaner "${cleaner}" "${text}" "${dir}/bpe.model"
    ngpu=0 submit "token list" 1 "${dir}/tokenize_text.log" \
        "${python}" -m espnet2.bin.tokenize_text --input "${text}" --field 2- \
        --output "${dir}/tokens.txt" ${token_opts} --write_vocabulary true \
        --add_symbol '"<blank>:0"' --add_symbol '"<unk>:1"' --add_symbol '"<sos/eos>:-1"'
    touch "${dir}/.done"
}

# collect_stats NAME STATS MODULE TRAIN_DIR VALID_DIR KEYS "SPEC..." ARGS...
collect_stats() {
    local name=$1 stats=$2 module=$3 train=$4 valid=$5 keys=$6 n logdir job
    local -a specs inputs=()
    read -r -a specs <<<"$7"
    shift 7
    made "${stats}" "${train}/${keys}" "${valid}/${keys}" "$@" && return
    logdir=${stats}/logdir
    n=$(jobs_for "${valid}/${keys}")
    for job in $(seq "${n}"); do
        inputs+=(--input_dir "${logdir}/${job}")
    done
    mkdir -p "${logdir}/keys/train" "${logdir}/keys/valid"
    split "${n}" "${logdir}/keys/train" "${train}/${keys}"
    split "${n}" "${logdir}/keys/valid" "${valid}/${keys}"
    ngpu=0 submit "${name}: shapes" "${n}" "${logdir}/stats.JOB.log" \
        "${python}" -m ${module} --collect_stats true --use_preprocessor true --ngpu 0 \
        $(data_args train "${train}" "${specs[@]}") $(data_args valid "${valid}" "${specs[@]}") \
        --train_shape_file "${logdir}/keys/train/JOB/${keys}" \
        --valid_shape_file "${logdir}/keys/valid/JOB/${keys}" \
        --output_dir "${logdir}/JOB" "$@"
    "${python}" -m espnet2.bin.aggregate_stats_dirs --skip_sum_stats \
        "${inputs[@]}" --output_dir "${stats}" 2>"${logdir}/aggregate.log"
    touch "${stats}/.done"
}

# fit NAME EXP MODULE TRAIN_DIR VALID_DIR STATS "SHAPE..." "SPEC..." ARGS...: train a model
# with ESPnet, from its last epoch on if there is one
fit() {
    local name=$1 exp=$2 module=$3 train=$4 valid=$5 stats=$6 shape
    local -a shapes=() specs
    for shape in $7; do
        shapes+=(--train_shape_file "${stats}/train/${shape}")
        shapes+=(--valid_shape_file "${stats}/valid/${shape}")
    done
    read -r -a specs <<<"$8"
    shift 8
    mkdir -p "${exp}"
    "${python}" scripts/progress.py --name "${name}" --log "${exp}/train.log" -- \
        "${python}" -m espnet2.bin.launch --cmd "${cuda_cmd} --name ${exp}" \
        --log "${exp}/train.log" --ngpu "${ngpu}" --num_nodes "${num_nodes}" \
        --init_file_prefix "${exp}/.dist_init_" --multiprocessing_distributed true -- \
        "${python}" -m ${module} --use_preprocessor true --resume true \
        $(data_args train "${train}" "${specs[@]}") $(data_args valid "${valid}" "${specs[@]}") \
        "${shapes[@]}" --output_dir "${exp}" "$@"
}

# recognise NAME OUT FILE KIND ARGS...: write the words of each utterance in FILE, by a stock
# module with its options, to OUT/text. KIND is what ESPnet calls the data: "speech,sound"
recognise() {
    local name=$1 out=$2 file=$3 kind=$4 n=1
    shift 4
    [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${file}")
    split "${n}" "${out}" "${file}"
    submit "${name}: decoding" "${n}" "${out}/decode.JOB.log" \
        "${python}" -m espnet_st -m "$@" --ngpu "${ngpu}" --output_dir "${out}/JOB" \
        --data_path_and_name_and_type "${out}/JOB/$(basename "${file}"),${kind}"
    gather "${n}" "${out}" 1best_recog/text "${out}/text"
    touch "${out}/.done"
}

# keep_keys KEYS IN OUT: the lines of IN whose key stands in KEYS
keep_keys() { awk 'NR == FNR { keys[$1]; next } $1 in keys' "$1" "$2" >"$3"; }

# shellcheck disable=SC2034 # the scripts use labels
# read_systems "LABEL=NAME ..." FILE...: fill the array ${names} and the mapping ${labels}; of
# each FILE one must be there with NAME in place of the %
read_systems() {
    local system name file
    names=()
    declare -gA labels=()
    for system in $1; do
        name=${system##*=}
        [[ ${system} = *?=?* ]] || die "--systems holds '${system}': expected LABEL=NAME"
        for file in "${@:2}"; do
            [ -e "${file//%/${name}}" ] ||
                die "--systems holds '${system}', but ${file//%/${name}} is not there"
        done
        check_names "${name}"
        names+=("${name}")
        labels[${name}]=${system%=*}
    done
    [ ${#names[@]} -gt 0 ] || die "--systems is empty: expected LABEL=NAME, ..."
}

# at_once FUNCTION ITEM...: call a function with each item. On the CPU ${num_threads} calls run
# at once, with a thread each: small models gain little from more. Fails once all have ended, if
# one has.
at_once() {
    local function=$1 item failed=0
    shift
    if [ "${ngpu}" -gt 0 ] || [ "${num_threads}" -eq 1 ]; then
        for item in "$@"; do "${function}" "${item}"; done
        return
    fi
    trap 'kill 0' INT # which calls in the background do not get
    for item in "$@"; do
        while [ "$(jobs -rp | wc -l)" -ge "${num_threads}" ]; do wait -n || failed=1; done
        OMP_NUM_THREADS=1 num_threads=1 "${function}" "${item}" &
    done
    while [ -n "$(jobs -p)" ]; do wait -n || failed=1; done
    trap - INT
    [ "${failed}" -eq 0 ] || die "see above"
}

# run_stages TITLE...: call stage_1, stage_2, ..., of these titles, from ${stage} to ${stop_stage}
run_stages() {
    local titles=("" "$@") current started
    for current in "${stage}" "${stop_stage}"; do
        [[ ${current} =~ ^[1-9][0-9]?$ ]] && [ "${current}" -le $# ] ||
            die "--stage ${stage} --stop_stage ${stop_stage}: expected numbers from 1 to $#"
    done
    for ((current = stage; current <= stop_stage; current++)); do
        log "stage ${current}: ${titles[current]}"
        started=${SECONDS}
        "stage_${current}"
        log "stage ${current} took $((SECONDS - started)) s"
    done
}
