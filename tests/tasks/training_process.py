"""What the processes of the training tests run.

ESPnet's imports take ten seconds; the forkserver that the processes come from imports
this file, once.
"""

import multiprocessing
import os
import sys

import torch
import transformers.models.auto  # noqa: F401
import transformers.models.hubert.modeling_hubert  # noqa: F401

from espnet_st.bin import codec_train, tts_train
from espnet_st.registry import register

register()

from espnet_st.tasks.codec import CodecTask  # noqa: E402 (`register` eases it)
from espnet_st.tasks.tts import USLMTask  # noqa: E402

COMMANDS = {"codec": (codec_train, CodecTask), "tts": (tts_train, USLMTask)}


def train(log, environment, options, task):
    """Run a training command in an environment.

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
    command, trained = COMMANDS[task]
    run = trained.trainer.run

    def run_and_save(**parts):
        run(**parts)
        torch.save(parts["model"].state_dict(), f"{log}.pth")

    trained.trainer.run = run_and_save
    command.main(options)
