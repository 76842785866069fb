#!/usr/bin/env bash
# Sourced by speechtok.sh: packs the models of each system, and shares them. Uses its options,
# its arrays of systems, and the other helpers.
# shellcheck disable=SC2154 # options and arrays of speechtok.sh

# corpus: the name of the recipe's corpus
corpus() { basename "$(dirname "${PWD}")"; }

# archive DIR: the zip of a model
archive() { printf '%s' "${expdir}/$(basename "$1").zip"; }

# pack_system KEY: the codec and the USLM of a system, unless they were trained elsewhere
pack_system() {
    local key=$1 codec=${codec_exp[$1]} lm=${lm_exp[$1]}
    need_codec "${key}"
    if [ -n "${codec_config[${key}]}" ]; then
        pack_model codec "${codec}" "$(codec_state "${key}")"
    else
        log "${codec} was trained elsewhere: not packed"
    fi
    [ -n "${lm}" ] || return 0
    need_lm "${key}"
    if [ -n "${lm_config[${key}]}" ]; then
        pack_model uslm "${lm}" "$(lm_state "${key}")" "$(codec_state "${key}")" \
            "${lm}/decode.yaml"
    else
        log "${lm} was trained elsewhere: not packed"
    fi
}

# pack_model KIND DIR INPUT...: the archive of a model, which depends on the inputs
pack_model() {
    local kind=$1 dir=$2 zip log
    local -a about=(--license "${license}" --language "${language}"
        --training_data "${training_data:-$(corpus)}")
    shift 2
    zip=$(archive "${dir}")
    log=${expdir}/packing/$(basename "${dir}")
    [ ! -e "${results}/RESULTS.md" ] || about+=(--results "${results}/RESULTS.md")
    made "${log}" "$@" "${results}/RESULTS.md" "${about[*]}" && [ -e "${zip}" ] && return
    ngpu=0 submit "$(basename "${dir}"): packing" 1 "${log}/pack.log" \
        "${python}" -m espnet_st.bin.pack "${kind}" --model "${dir}" --output "${zip}" \
        --overwrite true "${about[@]}"
    touch "${log}/.done"
    log "${zip}: $(wc -c <"${zip}") bytes"
}

# share_system KEY: what stage 9 made of a system; sends it only if --upload is true
share_system() {
    [ -z "${codec_config[$1]}" ] || share_model "${codec_exp[$1]}"
    [ -z "${lm_config[$1]}" ] || share_model "${lm_exp[$1]}"
}

# share_model DIR: print what would be sent of a model, once; send it if --upload is true
share_model() {
    local zip
    [[ ${shared:-} != *" $1 "* ]] || return 0 # systems may have a codec in common
    shared+=" $1 "
    zip=$(archive "$1")
    need 9 "${zip}"
    "${python}" -m espnet_st.bin.share --packed "${zip}" --revision "${hub_revision}" \
        --repo "${hub_owner:-owner}/$(corpus)_$(basename "$1")" --upload "${upload}"
}
