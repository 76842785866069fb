#!/usr/bin/env bash
# LibriSpeech, the paper's corpus for the codec. db.sh says where it lies. The paper's USLM
# has another corpus, Multilingual LibriSpeech: --codec_only true leaves the USLM out.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

exec ./speechtok.sh \
    --teacher facebook/hubert-base-ls960 \
    "$@"
