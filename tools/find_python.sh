#!/usr/bin/env bash
# Prints the version and the path of the Python to use. 3.12 comes before 3.13, because
# more has been run on it; both are for ESPnet 202611. Without them it is 3.11 or 3.10,
# for ESPnet 202511. It looks on PATH, then among pyenv's versions, then among uv's. A
# virtual environment counts as the Python that made it.
# Usage: tools/find_python.sh [version | path | command]
set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
preference=(3.12 3.13 3.11 3.10)

die() {
    printf '%s\n' "find_python: error: $*" >&2
    exit 1
}

describe() { # describe PYTHON: its version and path; fails if it is no CPython 3 that runs.
    "$1" -c '
import os, sys, sysconfig
if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
path = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
print("{}.{}.{} {}".format(*sys.version_info[:3], path))
' 2>/dev/null </dev/null
}

candidates() { # candidates: paths of Pythons, one per line, those of PATH first.
    type -aP "${preference[@]/#/python}" python3 python || true
    local path
    for path in "${PYENV_ROOT:-${HOME}/.pyenv}"/versions/*/bin/python; do
        [ ! -x "${path}" ] || printf '%s\n' "${path}"
    done
    local uv version
    uv=$(command -v uv || printf '%s' "${tools}/.uv/bin/uv")
    [ -x "${uv}" ] || return 0
    for version in "${preference[@]}"; do
        "${uv}" python find -q --managed-python --no-python-downloads "${version}" \
            2>/dev/null || true
    done
}

[ $# -le 1 ] || die "expected one version, path or command, not: $*"
case ${1:-} in
-*) die "expected a version, a path or a command, not $1" ;;
"" | 3 | 3.*) asked=${1:-3} ;;
*)
    found=$(describe "$1") || die "$1 is no CPython that runs"
    for version in "${preference[@]}"; do
        [[ "${found}" != "${version}."* ]] || {
            printf '%s\n' "${found}"
            exit 0
        }
    done
    die "$1 is Python ${found%% *}; expected 3.10 to 3.13"
    ;;
esac

all=
paths=$(candidates)
while IFS= read -r path; do
    all+=$(describe "${path}" || true)$'\n'
done <<<"${paths}"
for version in "${preference[@]}"; do
    while IFS= read -r found; do
        if [[ "${found}" = "${version}."* && "${found%% *}." = "${asked}."* ]]; then
            printf '%s\n' "${found}"
            exit 0
        fi
    done <<<"${all}"
done
[ "${asked}" != 3 ] || asked="3.10 to 3.13"
die "no Python ${asked} on PATH, among pyenv's versions or uv's"
