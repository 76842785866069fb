#!/usr/bin/env bash
# Sourced: the environment of all recipes. tools/venv, or the one that ESPNET_ST_VENV
# names, is used where it stands, else the environment that is active.

MAIN_ROOT=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")")
MAIN_ROOT=$(dirname "$(dirname "$(dirname "${MAIN_ROOT}")")")
export MAIN_ROOT
if [ -x "${ESPNET_ST_VENV:-${MAIN_ROOT}/tools/venv}/bin/python" ]; then
    PATH=${ESPNET_ST_VENV:-${MAIN_ROOT}/tools/venv}/bin:${PATH}
fi
export PATH=${PWD}/utils:${PATH}
# ESPnet's own utils (Kaldi's: run.pl, slurm.pl, queue.pl, split_scp.pl) stand in for ours.
if [ -n "${ESPNET_ROOT:-}" ]; then
    if [ ! -x "${ESPNET_ROOT}/egs2/TEMPLATE/asr1/utils/run.pl" ]; then
        printf '%s\n' "path.sh: error: ESPNET_ROOT=${ESPNET_ROOT} has no egs2/TEMPLATE/asr1/utils/run.pl" >&2
        return 1
    fi
    export PATH=${ESPNET_ROOT}/egs2/TEMPLATE/asr1/utils:${PATH}
fi
export PYTHONPATH=${MAIN_ROOT}${PYTHONPATH:+:${PYTHONPATH}}
export PYTHONIOENCODING=UTF-8 LC_ALL=C.UTF-8
# A module of ESPnet's text front end logs what it cannot download; nothing here needs it.
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore::SyntaxWarning}
