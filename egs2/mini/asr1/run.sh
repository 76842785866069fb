#!/usr/bin/env bash
# A recogniser of the mini corpus on log-mel spectra, on the first layer of the mini codec,
# and on all its layers. Takes what ../speechtok1/run.sh has made; --help lists the options.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

exec ./asr.sh \
    --speechtok_dir ../speechtok1 \
    --codec ../speechtok1/exp/codec_mini \
    "$@"
