#!/usr/bin/env bash
# Recognisers of the mini corpus on tokens of the mini codec's first layer: repeats dropped
# and joined to pieces, or every frame. Takes what ../speechtok1/run.sh has made; --help lists
# the options.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

exec ./asr2.sh \
    --speechtok_dir ../speechtok1 \
    --codec ../speechtok1/exp/codec_mini \
    --codesdir ../speechtok1/dump/codes_mini \
    "$@"
