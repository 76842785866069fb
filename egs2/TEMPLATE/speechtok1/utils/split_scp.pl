#!/usr/bin/env bash
# Splits a file of lines into consecutive parts of equal size (to one line), as Kaldi's
# script of this name does: split_scp.pl IN OUT1 OUT2 ...
# Files with the same keys split alike.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 1
fi
in=$1
shift
lines=$(wc -l <"${in}")
if [ "${lines}" -lt $# ]; then
    printf '%s\n' "split_scp.pl: ${in} has ${lines} lines, too few for $# parts" >&2
    exit 1
fi
part=0
for out in "$@"; do
    mkdir -p "$(dirname "${out}")"
    sed -n "$((lines * part / $# + 1)),$((lines * (part + 1) / $#))p" "${in}" >"${out}"
    part=$((part + 1))
done
