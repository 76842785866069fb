import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

RUN = "utils/run.pl"


def test_one_job_logs_its_command_and_output(script, tmp_path):
    log = tmp_path / "deep/one.log"
    code, said = script(RUN, "--gpu", 0, "--num_threads", 4, log, "echo", "two words")
    assert (code, said) == (0, "")
    text = log.read_text()
    assert text.startswith('# echo "two words"')
    assert "\ntwo words\n" in text and "# Ended (code 0)" in text


def test_an_array_replaces_its_variable_and_runs_at_once(script, tmp_path):
    start = time.monotonic()
    code, said = script(
        RUN, "JOB=1:3", tmp_path / "a.JOB.log", "sleep", "1", ";", "echo", "job-JOB"
    )
    assert code == 0, said
    assert time.monotonic() - start < 2.8
    for job in "123":
        assert f"\njob-{job}\n" in (tmp_path / f"a.{job}.log").read_text()


def test_max_jobs_run_limits_how_many_run_at_once(script, tmp_path):
    command = f"mkdir {tmp_path}/lock && sleep 0.2 && rmdir {tmp_path}/lock"
    code, said = script(
        RUN, "--max-jobs-run", 1, "JOB=1:3", tmp_path / "a.JOB.log", *command.split()
    )
    assert code == 0, said


def test_a_failing_job_is_named_and_counted(script, tmp_path):
    code, said = script(
        RUN, "JOB=1:3", tmp_path / "a.JOB.log", "test", "JOB", "-ne", "2"
    )
    assert code == 1
    assert f"1 / 3 failed, log is in {tmp_path}/a.2.log" in said
    assert "# Ended (code 1)" in (tmp_path / "a.2.log").read_text()


def test_a_pipe_fails_with_its_first_part(script, tmp_path):
    assert script(RUN, tmp_path / "a.log", "false", "|", "cat")[0] == 1
    assert script(RUN, tmp_path / "a.log", "echo", "x", "|", "grep", "-q", "x")[0] == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["JOB=1:2", "same.log", "true"], "JOB is missing in the log's name"),
        (["JOB=3:2", "a.JOB.log", "true"], "empty range"),
        (["only.log"], "run.pl ["),
    ],
)
def test_wrong_use_is_refused(script, tmp_path, args, message):
    code, said = script(RUN, *args, cwd=tmp_path)
    assert code == 1 and message in said


def runs(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_stopping_it_stops_its_jobs(template, tmp_path):
    log = tmp_path / "a.log"
    process = subprocess.Popen(
        [template / RUN, log, "echo", "pid=$$", ";", "sleep", "60", ";", "true"]
    )
    while not log.is_file() or "\npid=" not in log.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130
    pid = int(log.read_text().split("\npid=")[1].split()[0])
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(pid)


def test_split_scp_splits_in_order(script, tmp_path):
    lines = [f"key{n} value\n" for n in range(7)]
    (tmp_path / "in").write_text("".join(lines))
    parts = [tmp_path / f"{n}/in" for n in (1, 2, 3)]
    code, said = script("utils/split_scp.pl", tmp_path / "in", *parts)
    assert code == 0, said
    sizes = [len(part.read_text().splitlines()) for part in parts]
    assert sum(sizes) == 7 and max(sizes) - min(sizes) <= 1
    assert "".join(part.read_text() for part in parts) == "".join(lines)
    code, said = script("utils/split_scp.pl", parts[0], *map(str, range(5)))
    assert code == 1 and "too few for 5 parts" in said


def test_espnets_launcher_takes_it(template, tmp_path):
    import sys

    environment = os.environ | {"PATH": f"{template}/utils:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "espnet2.bin.launch", "--cmd", "run.pl"]
    command += [
        "--log",
        str(tmp_path / "t.log"),
        "--ngpu",
        "0",
        "--",
        "echo",
        "trained",
    ]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert "\ntrained --ngpu 0" in (tmp_path / "t.log").read_text()
