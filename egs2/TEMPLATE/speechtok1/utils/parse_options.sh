#!/usr/bin/env bash
# Sourced by a script whose options are its variables: "--name value" sets ${name},
# which must exist already; "--help" prints the options with the comment on each one's
# line. What follows the options is left in "$@". Kaldi's script has the same use.

while [[ ${1:-} = --* ]]; do
    if [ "$1" = --help ]; then
        printf '%s\n' "${help_message:-Usage: $0 [options]}"
        # name=value # comment
        sed -nE 's/^([a-z_0-9]+)=([^#]*[^# ])? *# (.*)$/  --\1\t\3 [\2]/p' "$0" |
            awk -F '\t' '{ printf "%-24s %s\n", $1, $2 }'
        exit 0
    fi
    option=${1#--}
    option=${option//-/_}
    if ! [[ ${option} =~ ^[a-z_][a-z_0-9]*$ ]] || [ -z "${!option+set}" ]; then
        printf '%s\n' "$0: error: unknown option $1; see $0 --help" >&2
        exit 1
    fi
    if [ $# -lt 2 ]; then
        printf '%s\n' "$0: error: $1 needs a value" >&2
        exit 1
    fi
    # An option that was true or false stays so.
    if [[ ${!option} = true || ${!option} = false ]] && [[ $2 != true && $2 != false ]]; then
        printf '%s\n' "$0: error: $1 takes true or false, not '$2'" >&2
        exit 1
    fi
    printf -v "${option}" '%s' "$2"
    shift 2
done
unset option
