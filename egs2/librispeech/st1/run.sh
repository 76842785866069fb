#!/usr/bin/env bash
# LibriSpeech, the paper's corpus for the codec. db.sh says where it lies. Until there is
# a configuration of the USLM for it: --stop_stage 5, then --stage 7 --codec_only true.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

exec ./st.sh \
    --teacher facebook/hubert-base-ls960 \
    --codec_config conf/train_speechtokenizer.yaml \
    "$@"
