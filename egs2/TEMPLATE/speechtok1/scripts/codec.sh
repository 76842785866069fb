#!/usr/bin/env bash
# Sourced by speechtok.sh: what it does with the codec of each system. Uses its options,
# its arrays of systems, and helpers.sh.
# shellcheck disable=SC2086,SC2154 # several words; options and arrays of speechtok.sh

# need_codec KEY: fail unless the codec of a system is there
need_codec() {
    local exp=${codec_exp[$1]}
    [ -n "${codec_config[$1]}" ] || need_given "$1" "${exp}"
    [ -z "${codec_config[$1]}" ] || need 4 "${exp}/latest.pth"
}

# codec_state KEY: what depends on the codec depends on this, see made
codec_state() { model_state "${codec_exp[$1]}" "${codec_config[$1]}"; }

# spans PURPOSE CODES: the layers to decode from, as in "1 1-8", by a set's codes
spans() { "${python}" scripts/systems.py spans "$1" "$2"; }

# codec_stats DIR ARGS...: lengths of the audio of ${train} and ${valid}. They depend on no
# codec: those found with the first configuration serve all that learn from the same set.
codec_stats() {
    local stats=$1
    shift
    case " ${counted:-} " in *" ${stats} "*) return ;; esac
    collect_stats codec "${stats}" espnet_st.bin.codec_train "${train}" "${valid}" \
        wav.scp wav.scp,audio,sound "$@" ${codec_args}
    counted+=" ${stats}"
}

# distill KEY: set ${distill_opts} to what the codec of a system learns its first layer from
distill() {
    local key=$1 layer=${distilled_layer[$1]} source=${teacher_dir}
    distill_opts=()
    case ${distilled_from[${key}]} in
    "") return ;; # a codec that takes no teacher
    recipe) [ "${units}" -eq 0 ] || layer=${layer:-units} ;;
    none)
        distill_opts=(--codec_conf lambda_distill=0)
        return
        ;;
    *) source=${distilled_from[${key}]} ;;
    esac
    distill_opts=(--codec_conf "teacher_conf.name=${source}")
    [ -z "${layer}" ] || distill_opts+=(--codec_conf "teacher_conf.layer=${layer}")
    if [ "${layer}" = units ]; then
        [ "${units}" -gt 0 ] || die "${key} is distilled from units: --units says how many"
        need 3 "${units_dir}/.done"
        distill_opts+=(--codec_conf "semantic_dimension=${units}"
            --codec_conf "teacher_conf.units_file=${units_dir}/units.npy")
    fi
    [ "${source}" != "${teacher_dir}" ] || [ -n "${teacher}" ] || need 3 "${teacher_dir}/.done"
}

# train_codec KEY: unless it was trained elsewhere
train_codec() {
    local key=$1 config=${codec_config[$1]} set=${codec_train_set[$1]}
    local train=${dumpdir}/raw/${set:-${train_set}} valid=${dumpdir}/raw/${valid_set}
    local stats=${expdir}/codec_stats${set:+_${set}}
    local -a distill_opts
    if [ -z "${config}" ]; then
        need_given "${key}" "${codec_exp[${key}]}"
        return
    fi
    need 2 "${train}/wav.scp" "${valid}/wav.scp"
    distill "${key}"
    codec_stats "${stats}" --config "${config}"
    fit "codec ${key}" "${codec_exp[${key}]}" espnet_st.bin.codec_train "${train}" "${valid}" \
        "${stats}" audio_shape wav.scp,audio,sound \
        --config "${config}" "${distill_opts[@]}" ${codec_options[${key}]} ${codec_args}
}

tokenize() {
    local key=$1 exp=${codec_exp[$1]} set raw out n file
    need_codec "${key}"
    for set in $(sets_of "${key}"); do
        raw=${dumpdir}/raw/${set} out=${codes_dir[${key}]}/${set} n=1
        need 2 "${raw}/wav.scp"
        [ "${ngpu}" -gt 0 ] || n=$(jobs_for "${raw}/wav.scp")
        made "${out}" "$(codec_state "${key}")" "${raw}/wav.scp" "${n} jobs" && continue
        submit "${key}: tokenize ${set}" "${n}" "${out}/logdir/tokenize.JOB.log" \
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

# resynthesize KEY: waveforms from the first layer, and from all
resynthesize() {
    local set
    need_codec "$1"
    for set in "${test_set}" ${other_sets}; do resynthesize_set "$1" "${set}"; done
}

resynthesize_set() {
    local key=$1 set=$2 exp=${codec_exp[$1]} codes=${codes_dir[$1]}/$2 all layers out
    need 5 "${codes}/.done"
    all=$(spans resynthesis "${codes}")
    for layers in ${all}; do
        out=${exp}/decode_rvq${layers/-/_}/${set}
        made "${out}" "$(codec_state "${key}")" "${codes}/codes.scp" && continue
        submit "${key}: decode RVQ-${layers/-/:} of ${set}" 1 "${out}/decode.log" \
            "${python}" -m espnet_st.bin.codec_inference --codec "${exp}" --layers "${layers}" \
            --codes_scp "${codes}/codes.scp" --wav_scp "${dumpdir}/raw/${set}/wav.scp" \
            --output_dir "${out}" --ngpu "${ngpu}"
        touch "${out}/.done"
    done
}

# convert KEY: the semantic layer of a source with acoustic layers of a reference, or with
# those that the NAR model of the system's LM writes after the reference
convert() {
    local key=$1 codes=${codes_dir[$1]}/${test_set} all layers
    [ "${conversion[${key}]}" = true ] || return 0
    all=$(spans conversion "${codes}")
    for layers in ${all}; do
        convert_by "${key}" "RVQ-${layers/-/:}" "${codec_exp[${key}]}/decode_vc_rvq${layers/-/_}" \
            --layers "${layers}"
    done
    if [ -n "${all}" ] && [ -n "${lm_exp[${key}]}" ]; then
        need_lm "${key}"
        convert_by "${key}" "the NAR model" "${lm_exp[${key}]}/decode_vc_nar" \
            --method nar --uslm "${lm_exp[${key}]}" --text "${codes}/text"
    fi
}

# convert_by KEY WHAT DIR ARGS...: convert's pairs in one way; with an LM if ARGS name one
convert_by() {
    local key=$1 what=$2 out=$3/${test_set} pairs=${dumpdir}/raw/${test_set}/conversion state=
    shift 3
    [ "$1" != --method ] || state=$(lm_state "${key}")
    made "${out}" "$(codec_state "${key}")" "${state}" "${codes}/codes.scp" "${pairs}/utt2ref" \
        "${pairs}/utt2src" && return
    submit "${key}: conversion with ${what}" 1 "${out}/decode.log" \
        "${python}" -m espnet_st.bin.voice_conversion --codec "${codec_exp[${key}]}" \
        --codes_scp "${codes}/codes.scp" --utt2ref "${pairs}/utt2ref" --utt2src "${pairs}/utt2src" "$@" \
        --output_dir "${out}" --ngpu "${ngpu}"
    touch "${out}/.done"
}
