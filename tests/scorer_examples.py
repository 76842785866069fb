"""Scorers that measure the size of a file and do what its content says.

They stand in a module of their own, so that processes that measure can import them.
"""

import ctypes
import os
import signal
import time

from espnet_st.slmtokbench.scorers.base import NotScored, Scorer, Setting


class Size(Scorer):
    """Measure the size of a file; note each call in the file `log` of the settings."""

    name, kind, measures = "size", "recognizer", "bytes, {unit} of them"
    settings = (Setting("unit", 1),)

    def __init__(self, settings):
        self.unit, self.log = settings.get("unit", 1), settings["log"]

    def measure(self, item):
        with open(self.log, "a") as file:
            file.write(f"{item.utt_id} {os.getpid()}\n")
        content = item.wav.read_bytes()
        if not content:
            raise ValueError("empty")
        return self.answer(content)

    def answer(self, content):
        return len(content) / self.unit


class Slow(Size):
    name = "slow"

    def answer(self, content):
        time.sleep(0.2)
        return len(content)


class Wild(Size):
    """Crash, hang or give no number, as a file says."""

    name = "wild"

    def answer(self, content):
        if content == b"segfault":
            ctypes.string_at(0)
        if content == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if content == b"hang":
            time.sleep(1000)
        if content == b"memory":
            raise MemoryError("no more")
        if content == b"silent failure":
            raise ValueError
        words = {b"nan": float("nan"), b"inf": [1.0, float("inf")]}
        words[b"deep nan"] = {"a": 1.0, "b": float("nan")}
        return words.get(content, len(content))


class Absent(Size):
    name = "absent"

    def __init__(self, settings):
        raise NotScored("no weights")


class DiesLoading(Size):
    name = "dies_loading"

    def __init__(self, settings):
        os._exit(5)


EXAMPLES = {one.name: one for one in (Size, Slow, Wild, Absent, DiesLoading)}
