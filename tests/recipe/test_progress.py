import os
import signal
import subprocess
import sys
import time

import pytest
from progress import Tail, TrainingBar, failed_log, job_logs

RUN = "scripts/progress.py"


def feed(bar, *lines):
    return [bar.feed(f"2026-01-01 (trainer:325) INFO: {line}") for line in lines]


def test_an_espnet_log_moves_the_bar_within_its_epochs(tmp_path):
    (tmp_path / "config.yaml").write_text("max_epoch: 4\nnum_iters_per_epoch: 20\n")
    training = TrainingBar("codec", tmp_path / "train.log")
    known = feed(
        training,
        "2/4epoch started. Estimated time to finish: 3 minutes",
        "2epoch:train:1-10batch: iter_time=0.1, generator_loss=4.5, loss=1.250",
        "a line about something else",
    )
    assert known == [True, True, False]
    assert training.bar.total == 4 and training.bar.initial == 1
    assert training.bar.n == 1.5
    assert "loss=1.250" in training.bar.postfix
    feed(training, "2epoch results: [train] loss=1.1, [valid] loss=1.0")
    assert training.bar.n == 2
    # The first epoch had 10 batches, whatever the configuration counts.
    feed(training, "3/4epoch started", "3epoch:train:1-5batch: loss=1.0")
    assert training.bar.n == 2.5
    training.close()


def test_without_a_known_length_the_bar_moves_by_epochs(tmp_path):
    training = TrainingBar("uslm", tmp_path / "train.log")
    feed(training, "1/3epoch started", "1epoch:train:1-50batch: loss=2.0")
    assert training.bar.n == 0
    feed(training, "1epoch results: [train] loss=2.0")
    assert training.bar.n == 1
    training.close()


def test_tail_gives_what_is_new_also_of_a_new_file(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("from an earlier run\n")
    tail = Tail(log)
    assert list(tail.lines()) == []
    with log.open("a") as stream:
        stream.write("one\rtwo\nhal")
    assert list(tail.lines()) == ["one", "two"]
    with log.open("a") as stream:
        stream.write("f\n")
    assert list(tail.lines()) == ["half"]
    log.rename(tmp_path / "train.1.log")
    log.write_text("of the new run, longer than all that the old one had written\n")
    assert list(tail.lines()) == [log.read_text().strip()]


def test_the_failed_job_of_an_array_is_found(tmp_path):
    logs = job_logs(str(tmp_path / "a.JOB.log"), 3)
    logs[0].write_text("# Ended (code 0) at noon\n")
    logs[2].write_text("still at it\n")
    assert failed_log(logs) == logs[1]
    logs[2].write_text("no such file\n# Ended (code 1) at noon\n")
    assert failed_log(logs) == logs[2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_shows_the_end_of_the_log(script, template, tmp_path, jobs):
    log = tmp_path / ("a.JOB.log" if jobs > 1 else "a.log")
    program = "import sys; sys.exit('what went wrong')"
    command = [template / "utils/run.pl", f"JOB=1:{jobs}", log]
    command += [sys.executable, "-c", program]
    code, said = script(
        RUN, "--name", "thing", "--log", log, "--jobs", jobs, "--", *command
    )
    assert code == 1
    assert "\nwhat went wrong\n" in said and "thing failed; its log is" in said


def test_a_success_is_silent_about_the_log(script, template, tmp_path):
    log = tmp_path / "a.log"
    code, said = script(
        RUN, "--name", "x", "--log", log, "--", template / "utils/run.pl", log, "true"
    )
    assert code == 0 and said == ""


def test_the_job_of_a_killed_recipe_ends(template, tmp_path):
    """progress.py's parent is killed: nobody is left to stop what it started."""
    pid, log = tmp_path / "pid", tmp_path / "a.log"
    job = f"echo $$ >{pid}; exec sleep 60"
    watch = [sys.executable, template / RUN, "--name", "x", "--log", log, "--"]
    parent = subprocess.Popen(
        ["bash", "-c", '"$@"; true', "x", *watch, "sh", "-c", job]
    )
    while not (pid.is_file() and pid.read_text()):
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    pytest.fail("the job goes on")
