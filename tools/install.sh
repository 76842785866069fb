#!/usr/bin/env bash
# Installs espnet-st into tools/venv with uv, and the system packages of the mini
# corpus. Says what it does, and does nothing when nothing is missing.
# Usage: tools/install.sh [options]
set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
root=$(dirname "${tools}")

extras=teacher,g2p,eval # Extras of setup.py, separated by commas: teacher, g2p, eval, dev.
torch_index=            # Index of PyTorch wheels, e.g. PyTorch's own one for CPU only.
python=                 # Python to build tools/venv with: a version (3.11) or a path.
active=false            # Install into the active environment instead of tools/venv.
apt=false               # Install system packages even if not root, through sudo.

log() { printf '%s\n' "install: $*"; }
die() {
    printf '%s\n' "install: error: $*" >&2
    exit 1
}
help() {
    sed -n '2,4s/^# //p' "$0"
    sed -n 's/^\([a-z_]*\)=\([^ ]*\) *# \(.*\)/  --\1 (\2) \3/p' "$0" | sed 's/_\([a-z]*\) (/-\1 (/'
}

while [ $# -gt 0 ]; do
    case $1 in
    --extras | --torch-index | --python)
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

read -r -a wanted <<<"$(missing_packages)"
[ ${#wanted[@]} -eq 0 ] || install_packages "${wanted[@]}"

# ---- where to install ------------------------------------------------------------
if [ "${active}" = true ]; then
    [ ! -e "${tools}/venv" ] ||
        die "tools/venv exists and the recipes would use it: remove it first"
    target=$(command -v python3) || die "--active: there is no python3 on PATH"
    stamp=${tools}/.installed
elif [ ! -e "${tools}/venv" ] && [ -e "${tools}/.installed" ]; then
    # Installed with --active before: stay with that environment.
    target=$(command -v python3) || die "there is no python3 on PATH"
    stamp=${tools}/.installed
else
    target=${tools}/venv/bin/python
    stamp=${tools}/venv/.installed
fi

# The stamp holds one line: what was installed, then the extras it came with.
version=$(sha256sum "${root}/setup.py" | cut -d ' ' -f 1)
have=
if [ -x "${target}" ] && [ -e "${stamp}" ]; then
    read -r installed from have <"${stamp}" || true
    [ "${installed}" = "${version}" ] && [ "${from}" = "${target}" ] || installed=
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
if command -v uv >/dev/null; then
    uv=uv
else
    uv=${tools}/.uv/bin/uv
    if [ ! -x "${uv}" ]; then
        log "fetching uv into tools/.uv with pip"
        python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --target "${tools}/.uv" uv
    fi
fi

quiet=()
[ -t 2 ] || quiet=(-q) # uv's progress bars are for a terminal only.

# ---- Python packages -------------------------------------------------------------
if [ "${active}" = false ] && [ ! -x "${target}" ] && [ "${stamp}" != "${tools}/.installed" ]; then
    log "making tools/venv"
    "${uv}" venv -q --python "${python:->=3.10,<3.13}" "${tools}/venv"
fi
if [ -n "${torch_index}" ]; then
    log "installing torch and torchaudio from ${torch_index}"
    "${uv}" pip install "${quiet[@]}" --python "${target}" --index-url "${torch_index}" \
        'torch>=2.1,<2.12' 'torchaudio>=2.1,<2.12'
fi
log "installing espnet-st[${extras}] (some 4 GB; a few minutes)"
# ESPnet's imports take half a minute without compiled bytecode.
"${uv}" pip install "${quiet[@]}" --python "${target}" --compile-bytecode -e "${root}[${extras}]"
"${target}" "${tools}/check_install.py" --extras "${extras}"
printf '%s %s %s\n' "${version}" "${target}" "${extras}" >"${stamp}"
log "done"
