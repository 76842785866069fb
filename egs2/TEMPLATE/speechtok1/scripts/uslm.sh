#!/usr/bin/env bash
# Sourced by speechtok.sh: what it does with the USLM on the codes of each codec. Uses its
# options and helpers.sh.
# shellcheck disable=SC2086,SC2154 # several words; options and names of speechtok.sh

# lm_of CODEC_EXP: directory of the USLM on the codes of a codec; the baseline's is VALL-E
lm_of() { printf '%s' "${uslm_exp}${1#"${codec_exp}"}"; }

# lm_name NAME: what the model on the codes of codec NAME is called
lm_name() { if [ "$1" = codec ]; then printf USLM; else printf VALL-E; fi; }

# fit_lm NAME EXP ARGS...: with what train_lm found out
fit_lm() {
    local name=$1 exp=$2
    shift 2
    fit "${name}" "${exp}" espnet_st.bin.tts_train "${train}" "${valid}" \
        "${stats}" "text_shape.${token_type} speech_shape" "${data}" ${uslm_opts} "$@"
}

train_lm() {
    local name codec=$2 train=$3/${train_set} valid=$3/${valid_set} exp stats part n_q
    local data="text,text,text codes.scp,speech,kaldi_ark"
    name=$(lm_name "$1")
    exp=$(lm_of "${codec}")
    stats=${expdir}/uslm_stats${codec#"${codec_exp}"}
    need 5 "${train}/.done" "${valid}/.done"
    # The model's own decoding defaults; before training, to find what is wrong in them.
    "${python}" -m espnet_st.bin.decode_defaults --config "${decode_config}" --output_dir "${exp}"
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
        "${python}" -m espnet_st.bin.merge_uslm --ar "${exp}_ar" --nar "${exp}_nar" \
            --output_dir "${exp}"
    else
        fit_lm "${name}" "${exp}"
    fi
    # Inference finds the codec of these codes by it.
    printf 'codec: %s\n' "$(realpath --relative-to "${exp}" "${codec}")" >"${exp}/codec.yaml"
}

# synthesize NAME EXP: speech of a text in the voice of a prompt, in a codec's codes
synthesize() {
    local codec=$2 pairs=${dumpdir}/raw/${test_set}/zeroshot lm out n=1 job
    lm=$(lm_of "${codec}")
    out=${lm}/decode_zeroshot/${test_set}
    need 6 "${lm}/latest.pth"
    made "${out}" "${lm}/latest.pth" "${codec}/latest.pth" "${decode_config}" \
        "${lm}/decode.yaml" \
        "${pairs}/text" "${pairs}/prompt_wav.scp" && return
    [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${pairs}/text")
    split "${n}" "${out}" "${pairs}/text" "${pairs}/prompt_wav.scp" "${pairs}/prompt_text"
    submit "$(lm_name "$1"): zero-shot synthesis" "${n}" "${out}/decode.JOB.log" \
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
