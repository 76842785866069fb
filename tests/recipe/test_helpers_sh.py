"""What scripts of stages share, `helpers.sh`: several calls at once."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[2] / "egs2/TEMPLATE/speechtok1/scripts/helpers.sh"
SCRIPT = f"""
set -euo pipefail
. {HELPERS}
call() {{
    printf '%s\\n' "begin $1 with ${{OMP_NUM_THREADS:-all}}"
    sleep "${{seconds}}"
    [ "$1" != "${{bad}}" ] || die "$1 failed"
    printf '%s\\n' "end $1"
}}
at_once call a b c
printf '%s\\n' all
"""


def start(**options):
    """Run the script with options `ngpu`, `num_threads`, `seconds` and `bad`."""
    options = dict(ngpu=0, num_threads=2, seconds=0.3, bad="none") | options
    words = [f"{key}={value}" for key, value in options.items()]
    return subprocess.Popen(
        ["bash", "-c", "\n".join([*words, SCRIPT])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What is ignored at the start cannot be trapped, and pytest may run so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={key: os.environ[key] for key in ("PATH",)},
    )


def lines(process):
    out, error = process.communicate(timeout=60)
    return out.splitlines(), error


def test_as_many_calls_as_threads_run_at_once_with_one_each():
    out, _ = lines(start())
    assert sorted(out[:2]) == ["begin a with 1", "begin b with 1"]
    assert out.index("begin c with 1") > 2 and out[-1] == "all"


@pytest.mark.parametrize("options", [dict(ngpu=1), dict(num_threads=1)])
def test_on_a_gpu_or_with_one_thread_they_run_in_order(options):
    out, _ = lines(start(seconds=0, **options))
    expected = [f"{what} {x}" for x in "abc" for what in ("begin", "end")]
    assert [line.replace(" with all", "") for line in out] == [*expected, "all"]


def test_one_that_fails_lets_the_others_end_and_stops_the_script():
    process = start(bad="a")
    out, error = lines(process)
    assert process.returncode == 1 and "a failed" in error
    assert {"end b", "end c"} <= set(out) and not {"end a", "all"} & set(out)


def test_an_interrupt_ends_all_of_them():
    process = start(seconds=60)
    assert process.stdout.readline().startswith("begin")
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = lines(process)  # comes back as soon as nobody holds the pipe
    assert process.returncode != 0 and "all" not in out
