#!/usr/bin/env bash
# Installs what is missing, then runs the lint and the whole test suite.
# Usage: tools/test.sh [options] [pytest arguments]
#   --lint_only true            only the lint
#   --fast true                 neither the lint nor the end-to-end run
#   --python, --venv            as in tools/install.sh: another Python, another place
set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
root=$(dirname "${tools}")

lint_only=false
fast=false
install=()
while [ $# -ge 2 ]; do
    case $1 in
    --lint_only) lint_only=$2 ;;
    --fast) fast=$2 ;;
    --python) install+=("$1" "$2") ;;
    --venv)
        # The recipes that the tests run read it, too.
        ESPNET_ST_VENV=$(readlink -m "$2")
        export ESPNET_ST_VENV
        ;;
    *) break ;;
    esac
    shift 2
done
cd "${root}"

"${tools}/install.sh" "${install[@]}" --extras teacher,g2p,eval,dev
venv=${ESPNET_ST_VENV:-${tools}/venv}
[ ! -d "${venv}" ] || export PATH="${venv}/bin:${PATH}"

if [ "${fast}" = false ]; then
    ruff check .
    ruff format --check .
    mypy # half a minute, and a second once .mypy_cache is there
    # Every shell script of ours, by its name or first line; links lead to one of them.
    scripts=$(find .ci egs2/*/*/{utils,scripts,local} egs2/*/*/*.sh tools/*.sh \
        tests/trained/*.sh -type f \
        \( -name '*.sh' -o -name '*.pl' -o -path '.ci/*' \))
    mapfile -t scripts <<<"${scripts}"
    shellcheck -x -P SCRIPTDIR "${scripts[@]}"
    shfmt -d -i 4 "${scripts[@]}"
fi
[ "${lint_only}" = false ] || exit 0

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
if [ "${fast}" = true ]; then
    exec python3 -m pytest -q -m "not smoke" --durations 15 tests "$@"
fi
# The end-to-end run beside the rest; its output comes last.
output=$(mktemp)
trap 'rm -f "${output}"' EXIT
python3 -m pytest -q -m smoke tests "$@" >"${output}" 2>&1 &
smoke=$!
rest=0
python3 -m pytest -q -m "not smoke" --durations 15 tests "$@" || rest=$?
wait "${smoke}" || rest=$?
cat "${output}"
exit "${rest}"
