#!/usr/bin/env bash
# Sourced by speechtok.sh: what it does with the language model (LM) on the codes of each
# system. Uses its options, its arrays of systems, and helpers.sh.
# shellcheck disable=SC2086,SC2154 # several words; options and arrays of speechtok.sh

# need_lm KEY: fail unless the LM of a system is there
need_lm() {
    [ -n "${lm_config[$1]}" ] || need_given "$1" "${lm_exp[$1]}"
    [ -z "${lm_config[$1]}" ] || need 6 "${lm_exp[$1]}/latest.pth"
}

# lm_state KEY: what depends on the LM depends on this, see made
lm_state() { model_state "${lm_exp[$1]}" "${lm_config[$1]}"; }

# fit_lm NAME EXP ARGS...: with what train_lm found out
fit_lm() {
    local name=$1 exp=$2
    shift 2
    fit "${name}" "${exp}" espnet_st.bin.tts_train "${train}" "${valid}" \
        "${stats}" "text_shape.${token_type} speech_shape" "${data}" ${uslm_opts} "$@"
}

# train_lm KEY: unless there is none, or it was trained elsewhere
train_lm() {
    local key=$1 exp=${lm_exp[$1]} config=${lm_config[$1]} codes=${codes_dir[$1]} part n_q
    local name="${lm_label[$1]} ${key}" stats=${expdir}/uslm_stats_${key}
    local train=${codes}/${lm_train_set[$1]:-${train_set}} valid=${codes}/${valid_set}
    local data="text,text,text codes.scp,speech,kaldi_ark"
    [ -n "${exp}" ] || return 0
    if [ -z "${config}" ]; then
        need_given "${key}" "${exp}"
        return
    fi
    need 3 "${token_list}"
    need 5 "${train}/.done" "${valid}/.done"
    # The model's own decoding defaults; before training, to find what is wrong in them.
    "${python}" -m espnet_st.bin.decode_defaults --config "${decode_config}" --output_dir "${exp}"
    n_q=$(spans resynthesis "${train}")
    n_q=${n_q##*[ -]}
    local uslm_opts="--config ${config} --token_list ${token_list} ${token_opts}
        --odim ${n_q} --normalize none ${lm_options[${key}]} ${uslm_args}"
    ! grep -q "^ *codebooks:" "${config}" ||
        uslm_opts+=" --tts_conf codebooks=${train}/codebooks.npy"
    if grep -q "^ *nar_prompt: *speaker" "${config}"; then
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
    printf 'codec: %s\n' "$(realpath --relative-to "${exp}" "${codec_exp[${key}]}")" >"${exp}/codec.yaml"
}

# synthesize KEY: speech of a text in the voice of a prompt, in the system's codes
synthesize() {
    local key=$1 lm=${lm_exp[$1]} pairs=${dumpdir}/raw/${test_set}/zeroshot out n=1 job
    [ -n "${lm}" ] || return 0
    out=${lm}/decode_zeroshot/${test_set}
    need_codec "${key}"
    need_lm "${key}"
    made "${out}" "$(lm_state "${key}")" "$(codec_state "${key}")" "${decode_config}" \
        "${lm}/decode.yaml" \
        "${pairs}/text" "${pairs}/prompt_wav.scp" && return
    [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${pairs}/text")
    split "${n}" "${out}" "${pairs}/text" "${pairs}/prompt_wav.scp" "${pairs}/prompt_text"
    submit "${lm_label[${key}]} ${key}: zero-shot synthesis" "${n}" "${out}/decode.JOB.log" \
        "${python}" -m espnet_st.bin.tts_inference --uslm "${lm}" --codec "${codec_exp[${key}]}" \
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
