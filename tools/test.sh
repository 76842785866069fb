#!/usr/bin/env bash
# Installs what is missing, then runs the lint and the whole test suite.
# Usage: tools/test.sh [--lint_only true] [pytest arguments]
set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
root=$(dirname "${tools}")
cd "${root}"

lint_only=false
if [ "${1:-}" = --lint_only ]; then
    lint_only=$2
    shift 2
fi

"${tools}/install.sh" --extras teacher,g2p,eval,dev
[ ! -d "${tools}/venv" ] || export PATH="${tools}/venv/bin:${PATH}"

ruff check .
ruff format --check .
# Every shell script of ours, by its name or its first line; links lead to one of them.
scripts=$(find .ci egs2/*/*/{utils,scripts,local} egs2/*/*/*.sh tools/*.sh -type f \
    \( -name '*.sh' -o -name '*.pl' -o -path '.ci/*' \))
mapfile -t scripts <<<"${scripts}"
shellcheck -x -P SCRIPTDIR "${scripts[@]}"
shfmt -d -i 4 "${scripts[@]}"
[ "${lint_only}" = false ] || exit 0

# The end-to-end run beside the rest; what it says comes last.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
said=$(mktemp)
trap 'rm -f "${said}"' EXIT
python3 -m pytest -q -m smoke tests "$@" >"${said}" 2>&1 &
smoke=$!
rest=0
python3 -m pytest -q -m "not smoke" --durations 15 tests "$@" || rest=$?
wait "${smoke}" || rest=$?
cat "${said}"
exit "${rest}"
