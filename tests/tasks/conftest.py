"""Starts training runs as processes, for this room."""

import multiprocessing
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def start():
    """Starts training as a process that is forked from one with the imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_process"])
    with pytest.MonkeyPatch.context() as patch:
        for path in (HERE.parents[1], HERE):
            patch.syspath_prepend(path)
            patch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
        patch.setenv("OMP_NUM_THREADS", "1")
        from training_process import train

        def process(log, options, task="codec", **environment):
            given = str(log), environment, options, task
            one = context.Process(target=train, args=given)
            one.start()
            return one

        yield process
