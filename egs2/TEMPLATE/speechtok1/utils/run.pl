#!/usr/bin/env bash
# Runs a command, or an array of jobs, on this machine. The calling convention is that
# of Kaldi's scripts of the same purpose (queue.pl, slurm.pl), hence the name:
#   run.pl [--max-jobs-run N] [--gpu N] [--num_threads N] ... [JOB=1:4] LOG COMMAND...
# JOB in LOG and COMMAND is replaced by the number of the job. A word of COMMAND that
# holds blanks is quoted, all else is left to the shell: "\|" makes a pipe.
set -euo pipefail

max_jobs=0
while [[ ${1:-} = --* ]]; do
    [[ $1 != --max-jobs-run ]] || max_jobs=$2
    shift 2
done
variable='' first=1 last=1
if [[ ${1:-} =~ ^([A-Za-z_]+)=([0-9]+)(:([0-9]+))?$ ]]; then
    variable=${BASH_REMATCH[1]} first=${BASH_REMATCH[2]}
    last=${BASH_REMATCH[4]:-${first}}
    shift
fi
if [ $# -lt 2 ]; then
    sed -n '2,6s/^# //p' "$0" >&2
    exit 1
fi
if [ "${first}" -gt "${last}" ]; then
    printf '%s\n' "run.pl: empty range ${variable}=${first}:${last}" >&2
    exit 1
fi
log=$1
shift
if [ -n "${variable}" ] && [ "${first}" -ne "${last}" ] && [[ ${log} != *"${variable}"* ]]; then
    printf '%s\n' "run.pl: ${variable} is missing in the log's name ${log}" >&2
    exit 1
fi
[ "${max_jobs}" -gt 0 ] || max_jobs=$((last - first + 1))

command=''
for word in "$@"; do
    case ${word} in
    '') word="''" ;;
    *\"*) [[ ${word} != *[[:blank:]]* ]] || word="'${word}'" ;;
    *[[:blank:]]*) word="\"${word}\"" ;;
    esac
    command+="${word} "
done

run_job() { # run_job N: run job N; returns its status
    local out=${log//${variable:-%}/$1} line=${command//${variable:-%}/$1} status=0 start=${SECONDS}
    mkdir -p "$(dirname "${out}")"
    printf '# %s\n# Started at %s\n#\n' "${line}" "$(date)" >"${out}"
    bash -o pipefail -c "${line}" >>"${out}" 2>&1 </dev/null || status=$?
    printf '# Accounting: time=%s threads=1\n# Ended (code %s) at %s, elapsed time %s seconds\n' \
        "$((SECONDS - start))" "${status}" "$(date)" "$((SECONDS - start))" >>"${out}"
    return "${status}"
}

set -m # Each job its own process group, so that a stop reaches all it started.
pids=()
trap 'kill -- "${pids[@]/#/-}" 2>/dev/null; exit 130' INT TERM HUP
for ((job = first; job <= last; job++)); do
    while [ "$(jobs -rp | wc -l)" -ge "${max_jobs}" ]; do sleep 0.1; done
    run_job "${job}" &
    pids+=("$!")
done

failed=()
for index in "${!pids[@]}"; do
    wait "${pids[index]}" || failed+=("$((first + index))")
done
[ ${#failed[@]} -eq 0 ] || {
    total=$((last - first + 1))
    name=${log//${variable:-%}/${failed[0]}}
    printf '%s\n' "run.pl: ${#failed[@]} / ${total} failed, log is in ${name}" >&2
    exit 1
}
