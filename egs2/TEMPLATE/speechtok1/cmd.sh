#!/usr/bin/env bash
# Sourced: how jobs are submitted. ${train_cmd} takes CPU jobs and ${cuda_cmd} those that
# may use a GPU, by the convention of utils/run.pl. With another backend than `local`,
# put Kaldi's script of that name (slurm.pl, queue.pl) in utils/ or on PATH, and its
# settings in conf/.

cmd_backend=${cmd_backend:-local}
case ${cmd_backend} in
local) train_cmd=run.pl cuda_cmd=run.pl ;;
slurm) train_cmd=slurm.pl cuda_cmd=slurm.pl ;;
sge) train_cmd="queue.pl --config conf/queue.conf" cuda_cmd=${train_cmd} ;;
*)
    printf '%s\n' "cmd.sh: unknown cmd_backend=${cmd_backend}: local, slurm or sge" >&2
    return 1
    ;;
esac
export train_cmd cuda_cmd
