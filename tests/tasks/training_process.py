"""What the processes of `test_codec_training` run.

ESPnet's imports take ten seconds; the forkserver that the processes come from imports
this file, once.
"""

import multiprocessing
import os
import sys

import torch
import transformers.models.auto  # noqa: F401
import transformers.models.hubert.modeling_hubert  # noqa: F401

from espnet_st.bin.codec_train import main
from espnet_st.registry import register

register()

from espnet_st.tasks.codec import CodecTask  # noqa: E402 (`register` eases it)


def train(log, environment, options):
    """Run `espnet_st.bin.codec_train` in an environment.

    What it says goes to `log`, the model that it ends with to `log`.pth: of several
    processes only the first writes checkpoints.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)
    os.environ.update(environment)
    # Loaders start their workers as they do from a command line.
    multiprocessing.set_start_method("fork", force=True)
    torch.set_num_threads(1)
    run = CodecTask.trainer.run

    def run_and_save(**parts):
        run(**parts)
        torch.save(parts["model"].state_dict(), f"{log}.pth")

    CodecTask.trainer.run = run_and_save
    main(options)
