#!/usr/bin/env bash
# The mini corpus: synthesized on the spot, small enough for two cores. Installs what is
# missing, then runs stages 1 to 8; --help lists the options.
# --systems conf/systems_paper.yaml --seeds "1 2 3" makes the paper's baselines, ablations and
# orderings.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

case " $* " in
*" --help "*) ;;
*) ../../../tools/install.sh ;;
esac

exec ./speechtok.sh \
    --max_seconds 12 --other_sets "test_de test_zh" \
    --units 100 --units_layer 3 \
    "$@"
