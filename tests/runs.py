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


def kill_after_first_epoch(start, options, directory, until, **more):
    """Kill a run in its second epoch, and leave as little as a kill can leave."""
    log = directory.with_suffix(".log")
    kill_when(f"2epoch:train:{until}", start(log, options, **more), log)
    halfway = checkpoint(directory)
    assert halfway["reporter"]["epoch"] == 1
    # As if it had been killed right after the checkpoint.
    (directory / "1epoch.pth").unlink()
    (directory / "latest.pth").unlink()
    return halfway


def check_resumed(whole, killed, halfway):
    """A resumed run of two epochs left what an uninterrupted one did, bit for bit."""
    expected, found = checkpoint(whole), checkpoint(killed)
    assert not same(halfway["model"], found["model"])
    for part in ("model", "optimizers", "schedulers"):
        assert same(expected[part], found[part]), part
    for name in ("1epoch.pth", "2epoch.pth", "train.total_count.ave.pth"):
        pair = [torch.load(one / name, weights_only=True) for one in (whole, killed)]
        assert same(*pair), name
    assert (killed / "latest.pth").resolve().name == "2epoch.pth"
    assert not list(killed.glob("*.part"))
    return found


def same(a, b):
    """Whether two nested states are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
