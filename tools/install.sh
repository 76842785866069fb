#!/usr/bin/env bash
# Installs espnet-st into tools/venv with uv, and the system packages of the mini
# corpus. It does nothing when nothing is missing. Python 3.12 or 3.13 means ESPnet
# 202611 or later, 3.10 or 3.11 means ESPnet 202511; without --python, a new tools/venv
# takes the Python that tools/find_python.sh finds.
# Usage: tools/install.sh [options]
set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
root=$(dirname "${tools}")

extras=teacher,g2p,eval # Extras of setup.py, separated by commas: teacher, g2p, eval, dev.
torch_index=            # Index of PyTorch wheels, e.g. PyTorch's own one for CPU only.
python=                 # Python of tools/venv: a version (3.11) or a path. Another one makes it anew.
venv=                   # Where to install, if not in tools/venv; else ESPNET_ST_VENV says it.
active=false            # Install into the active environment instead of tools/venv.
apt=false               # Install system packages even if not root, through sudo.

log() { printf '%s\n' "install: $*"; }
die() {
    printf '%s\n' "install: error: $*" >&2
    exit 1
}
help() {
    sed -n '2,6s/^# //p' "$0"
    sed -n 's/^\([a-z_]*\)=\([^ ]*\) *# \(.*\)/  --\1 (\2) \3/p' "$0" | sed 's/_\([a-z]*\) (/-\1 (/'
}

while [ $# -gt 0 ]; do
    case $1 in
    --extras | --torch-index | --python | --venv)
        [ $# -ge 2 ] || die "$1 needs a value"
        name=${1#--}
        printf -v "${name//-/_}" '%s' "$2"
        shift
        ;;
    --active | --apt) printf -v "${1#--}" true ;;
    --help | -h)
        help
        exit 0
        ;;
    *) die "unknown option $1; see --help" ;;
    esac
    shift
done

# ---- system packages -------------------------------------------------------------
# The synthesizers of the mini corpus; libsndfile reads every audio file.
packages=(espeak-ng flite festival festvox-us-slt-hts libsndfile1)

missing_packages() {
    command -v dpkg-query >/dev/null || {
        local name
        for name in espeak-ng flite festival; do
            command -v "${name}" >/dev/null || printf '%s ' "${name}"
        done
        return 0
    }
    local name
    for name in "${packages[@]}"; do
        dpkg-query -W -f '${Status}\n' "${name}" 2>/dev/null |
            grep -q '^install ok installed$' || printf '%s ' "${name}"
    done
}

install_packages() { # install_packages NAME...
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        if [ "${apt}" = false ] || ! command -v sudo >/dev/null; then
            die "system packages are missing. Run this as root, then start again:
  apt-get update && apt-get install -y --no-install-recommends $*"
        fi
        sudo=(sudo)
    fi
    command -v apt-get >/dev/null ||
        die "system packages are missing and there is no apt-get: install $*"
    log "installing system packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    "${sudo[@]}" apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 || {
        "${sudo[@]}" apt-get update -qq
        "${sudo[@]}" apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    }
}

read -r -a absent <<<"$(missing_packages)"
[ ${#absent[@]} -eq 0 ] || install_packages "${absent[@]}"

# ---- where to install ------------------------------------------------------------
version_of() { # version_of PYTHON: such as 3.12.1, and where it stands.
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.executable)'
}

espnet_of() { # espnet_of VERSION: which ESPnet setup.py takes for a Python.
    case $1 in
    3.1[23].*) printf 'ESPnet 202611 or later' ;;
    3.1[01].*) printf 'ESPnet 202511' ;;
    *) die "Python ${1%.} will not do: expected 3.10 to 3.13" ;;
    esac
}

asked= # The Python that --python names by its path.
case ${python} in
"" | 3) ;;
3.*) espnet_of "${python}." >/dev/null ;;
*) asked=$("${tools}/find_python.sh" "${python}") ;;
esac

fits() { # fits PYTHON: whether --python asks for this one, or for none.
    if [ -n "${asked}" ]; then
        [ "${asked}" = "$("${tools}/find_python.sh" "$1")" ]
    else
        local found
        found=$(version_of "$1")
        [ -z "${python}" ] || [[ "${found%% *}." = "${python}."* ]]
    fi
}

default=${tools}/venv
venv=$(readlink -m "${venv:-${ESPNET_ST_VENV:-${default}}}")
if [ "${active}" = true ]; then
    [ "${venv}" = "${default}" ] || die "--active and ${venv}: name one place"
    [ ! -e "${default}" ] ||
        die "tools/venv exists and the recipes would use it: remove it first"
elif [ "${venv}" = "${default}" ] && [ ! -e "${default}" ] && [ -e "${tools}/.installed" ]; then
    active=true # Installed with --active before: stay with that environment.
fi
if [ "${active}" = true ]; then
    command -v python3 >/dev/null || die "--active: there is no python3 on PATH"
    found=$(version_of python3)
    # The interpreter itself: what stands on PATH may be a shim for several.
    target=${found#* }
    stamp=${tools}/.installed
    fits "${target}" ||
        die "the active environment has Python ${found%% *}, not ${python}; without" \
            "tools/.installed, a tools/venv is made instead"
else
    target=${venv}/bin/python
    stamp=${venv}/.installed
    found=
    if [ -x "${target}" ] && fits "${target}"; then
        found=$(version_of "${target}")
    elif [ -e "${venv}" ] && [ "${venv}" != "${default}" ] && [ ! -e "${stamp}" ]; then
        die "${venv} is in the way, and was not installed by this script: remove it first"
    fi
fi

# The stamp holds one line: what was installed, for which Python, the extras it came
# with, and where.
sum=$(sha256sum "${root}/setup.py" | cut -d ' ' -f 1)
have=
if [ -n "${found}" ] && [ -e "${stamp}" ]; then
    read -r installed release have place <"${stamp}" || true
    [ "${installed} ${release} ${place}" = "${sum} ${found%% *} ${target}" ] || installed=
    lacking=
    for extra in ${extras//,/ }; do
        [[ ",${have}," = *",${extra},"* ]] || lacking+=" ${extra}"
    done
    if [ -n "${installed}" ] && [ -z "${lacking}" ]; then
        log "nothing is missing in $(dirname "$(dirname "${target}")")"
        exit 0
    fi
fi
for extra in ${have//,/ }; do
    [[ ",${extras}," = *",${extra},"* ]] || extras+=",${extra}"
done

# ---- uv --------------------------------------------------------------------------
find_pip() { # find_pip: a command that installs into tools/.uv, as ${pip}.
    local candidate pythons
    pythons=$(type -aP python3 python || true)
    for candidate in "${PYENV_ROOT:-${HOME}/.pyenv}"/versions/3.*/bin/python; do
        [ ! -x "${candidate}" ] || pythons+=$'\n'${candidate}
    done
    while IFS= read -r candidate; do
        # A venv made by uv has no pip, and Debian's Python no ensurepip.
        if "${candidate}" -m pip --version >/dev/null 2>&1; then
            pip=("${candidate}" -m pip install -q --target "${tools}/.uv")
            return
        elif "${candidate}" -m venv --clear "${tools}/.uv" >/dev/null 2>&1; then
            pip=("${tools}/.uv/bin/python" -m pip install -q)
            return
        fi
    done <<<"${pythons}"
    return 1
}

if command -v uv >/dev/null; then
    uv=uv
else
    uv=${tools}/.uv/bin/uv
    if [ ! -x "${uv}" ]; then
        log "fetching uv into tools/.uv with pip"
        find_pip || { install_packages python3-pip && find_pip; } ||
            die "no Python here has pip, to fetch uv: put uv or such a Python on PATH"
        PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 "${pip[@]}" uv ||
            die "pip could not fetch uv: see above, or put uv on PATH"
    fi
fi

quiet=()
[ -t 2 ] || quiet=(-q) # uv's progress bars are for a terminal only.

# ---- Python packages -------------------------------------------------------------
if [ -z "${found}" ]; then
    base=$("${tools}/find_python.sh" ${python:+"${python}"} 2>/dev/null) || {
        log "no Python ${python:-of 3.10 to 3.13} here: asking uv for one"
        base="- ${python:-3.12}"
    }
    log "making ${venv} with ${base#* }"
    rm -rf "${venv}"
    "${uv}" venv -q --python "${base#* }" "${venv}" ||
        die "no environment: install Python 3.12, or name one by --python PATH"
    found=$(version_of "${target}")
fi
espnet=$(espnet_of "${found%% *}")
log "Python ${found%% *} (${target}): ${espnet}"
if [ -n "${torch_index}" ]; then
    log "installing torch and torchaudio from ${torch_index}"
    # As setup.py has them, with their markers.
    torch=$(sed -n "s/^ *'\(torch.*\)',$/\1/p" "${root}/setup.py")
    mapfile -t torch <<<"${torch}"
    "${uv}" pip install "${quiet[@]}" --python "${target}" --index-url "${torch_index}" \
        "${torch[@]}"
fi
log "installing espnet-st[${extras}] (some 4 GB; a few minutes)"
# ESPnet's imports take half a minute without compiled bytecode.
"${uv}" pip install "${quiet[@]}" --python "${target}" --compile-bytecode -e "${root}[${extras}]"
"${target}" "${tools}/check_install.py" --extras "${extras}"
printf '%s %s %s %s\n' "${sum}" "${found%% *}" "${extras}" "${target}" >"${stamp}"
log "done"
