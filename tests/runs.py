"""Real training runs in processes of their own: waiting for them, what they left."""

import socket
import time

import torch


def finish(*processes, within=300):
    """Wait for processes, and say how they ended."""
    end = time.monotonic() + within
    for one in processes:
        one.join(max(end - time.monotonic(), 0.1))
    codes = [one.exitcode for one in processes]
    for one in processes:
        one.kill()
    return codes


def kill_when(text, process, log, within=300):
    """Kill a process (signal 9) once its log holds a text."""
    end = time.monotonic() + within
    while process.is_alive() and time.monotonic() < end:
        if log.exists() and text in log.read_text():
            break
        time.sleep(0.005)
    process.kill()
    assert finish(process) == [-9], log.read_text()[-3000:]


def train_in_two(start, options, directory, **more):
    """Train in two processes that talk through gloo; give the log of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    made = [*options, "--dist_backend", "gloo", "--multiprocessing_distributed"]
    made += ["false"]
    logs = [directory / f"rank{rank}.log" for rank in range(2)]
    ranks = [
        start(log, made, RANK=str(rank), **common, **more)
        for rank, log in enumerate(logs)
    ]
    codes = finish(*ranks)
    said = [log.read_text() for log in logs]
    assert codes == [0, 0], said[0][-3000:] + said[1][-3000:]
    return logs


def checkpoint(directory):
    """The checkpoint that a run resumes from."""
    return torch.load(directory / "checkpoint.pth", weights_only=False)


def same(a, b):
    """Whether two nested states are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
