#!/usr/bin/env bash
# Sourced by speechtok.sh: what it does with each codec. Uses its options and helpers.sh.
# shellcheck disable=SC2086,SC2154 # several words; options and names of speechtok.sh

# each_codec FUNCTION: call it with the name, directory, directory of codes and training
# options of each codec of this run
each_codec() {
    "$1" codec "${codec_exp}" "${dumpdir}/codes"
    if [ "${baseline}" = true ]; then
        "$1" baseline "${codec_exp}_nodistill" "${dumpdir}/codes_$(basename "${codec_exp#*/codec_}")_nodistill" \
            --codec_conf lambda_distill=0
    fi
}

train_codec() {
    local name=$1 exp=$2
    shift 3
    fit "${name}" "${exp}" espnet_st.bin.codec_train "${dumpdir}/raw/${train_set}" \
        "${dumpdir}/raw/${valid_set}" "${expdir}/codec_stats" audio_shape wav.scp,audio,sound \
        --config "${codec_config}" "${teach[@]}" ${codec_args} "$@"
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
    local pairs=${dumpdir}/raw/${test_set}/conversion codes=${dumpdir}/codes/${test_set} layers
    for layers in 2 2-4 2-8; do
        convert_by "RVQ-${layers/-/:}" "rvq${layers/-/_}" "${codec_exp}" --layers "${layers}"
    done
    [ "${codec_only}" = false ] || return 0
    need 6 "${uslm_exp}/latest.pth"
    convert_by "the NAR model" nar "${uslm_exp}" --method nar --uslm "${uslm_exp}" \
        --text "${codes}/text"
}

# convert_by WHAT NAME EXP ARGS...: convert's pairs in one way, with the model of an experiment
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
