"""Which Python `tools/` takes on fake machines, and what an install does then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tools"


@pytest.fixture
def machine(tmp_path):
    """A machine with fake Pythons: say where which versions stand, then run a tool."""

    class Machine:
        path = tmp_path / "bin"
        pyenv = tmp_path / "pyenv/versions"

        def python(self, path, version, implementation="cpython"):
            """Put a program there that says what a Python of that version would."""
            path.parent.mkdir(parents=True, exist_ok=True)
            return self.program(
                path,
                "case $* in",
                f"*sysconfig*) [ {implementation} = cpython ] || exit 1",
                f'    echo "{version} $(readlink -f "$0")" ;;',
                f'*version_info*) echo "{version} $0" ;;',
                "esac",
            )

        def program(self, path, *lines):
            path.write_text("\n".join(["#!/bin/bash", *lines, ""]))
            path.chmod(0o755)
            return path

        def run(self, tool, *options, **variables):
            done = subprocess.run(
                ["/bin/bash", str(TOOLS / tool), *map(str, options)],
                env={
                    # The system's tools, without its Pythons.
                    "PATH": f"{self.path}:{self.system}",
                    "HOME": str(tmp_path),
                    "PYENV_ROOT": str(self.pyenv.parent),
                    **variables,
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            return done.returncode, done.stdout

        @property
        def system(self):
            folder = tmp_path / "system"
            if not folder.exists():
                folder.mkdir()
                for name in ("dirname", "readlink", "env", "cat"):
                    for place in os.get_exec_path():
                        if (Path(place) / name).exists():
                            (folder / name).symlink_to(Path(place) / name)
                            break
            return folder

    made = Machine()
    made.path.mkdir()
    return made


def place_pythons(machine, on_path=(), in_pyenv=()):
    for version in on_path:
        minor = ".".join(version.split(".")[:2])
        machine.python(machine.path / f"python{minor}", version)
    for version in in_pyenv:
        machine.python(machine.pyenv / version / "bin/python", version)


@pytest.mark.parametrize(
    ("on_path", "in_pyenv", "asked", "found"),
    [
        (["3.13.2", "3.12.4"], [], [], "3.12.4"),
        (["3.11.7", "3.13.2"], [], [], "3.13.2"),
        (["3.11.7"], ["3.9.1", "3.13.0"], [], "3.13.0"),
        (["3.13.2"], ["3.12.1"], [], "3.12.1"),
        (["3.12.4"], ["3.12.1"], [], "3.12.4"),
        (["3.10.1"], ["3.11.7", "3.14.0"], [], "3.11.7"),
        (["3.9.9"], ["3.10.1", "3.14.0"], [], "3.10.1"),
        (["3.12.4"], ["3.11.7"], ["3.11"], "3.11.7"),
        (["3.12.4"], ["3.12.1"], ["3.12.1"], "3.12.1"),
        (["3.12.4", "3.11.1"], [], ["python3.11"], "3.11.1"),
    ],
)
def test_the_python_that_is_taken(machine, on_path, in_pyenv, asked, found):
    place_pythons(machine, on_path, in_pyenv)
    code, output = machine.run("find_python.sh", *asked)
    assert code == 0, output
    assert output.split()[0] == found
    assert output.split()[1].startswith(str(machine.path.parent))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "no Python 3.10 to 3.13 on PATH, among pyenv's versions or uv's"),
        (["3.12"], "no Python 3.12 on PATH"),
        (["python3.9"], "is Python 3.9.9; expected 3.10 to 3.13"),
        (["python3.12"], "python3.12 is no CPython that runs"),
        (["3.12", "3.13"], "expected one version, path or command"),
        (["--help"], "not --help"),
    ],
)
def test_without_a_python_that_will_do(machine, asked, message):
    place_pythons(machine, ["3.9.9"], ["3.14.0"])
    code, output = machine.run("find_python.sh", *asked)
    assert code == 1 and message in output


def test_what_does_not_run_or_is_another_python_is_passed_over(machine):
    machine.program(machine.path / "python3.12", "echo 'no such version'", "exit 127")
    machine.python(machine.pyenv / "pypy3.12/bin/python", "3.12.4", "pypy")
    place_pythons(machine, ["3.13.2"])
    code, output = machine.run("find_python.sh")
    assert code == 0 and output.split()[0] == "3.13.2"


def test_those_of_uv_come_last(machine):
    python = machine.python(machine.path.parent / "uv/python", "3.12.9")
    machine.program(machine.path / "uv", f'[ "${{!#}}" = 3.12 ] && echo "{python}"')
    place_pythons(machine, ["3.13.2"])
    assert machine.run("find_python.sh")[1].split()[0] == "3.12.9"
    place_pythons(machine, ["3.12.1"])
    assert machine.run("find_python.sh")[1].split()[0] == "3.12.1"


def test_a_virtual_environment_counts_as_its_python(machine, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True
    )
    code, output = machine.run("find_python.sh", tmp_path / "venv/bin/python")
    release = ".".join(map(str, sys.version_info[:3]))
    assert code == 0 and output.startswith(f"{release} ")
    assert str(tmp_path) not in output
    assert machine.run("find_python.sh", output.split()[1]) == (0, output)


@pytest.fixture
def install(machine, tmp_path):
    """Run install.sh --venv with a uv that installs nothing: (exit code, its words)."""
    machine.program(
        machine.path / "uv",
        'if [ "$1" = venv ]; then',
        '    mkdir -p "$5/bin" && ln -s "$4" "$5/bin/python"',
        "fi",
    )
    place_pythons(machine, ["3.11.7"], ["3.12.4"])
    path = f"{machine.path}:{os.environ['PATH']}"

    def run(*options):
        place = ["--venv", tmp_path / "venv"]
        code, output = machine.run("install.sh", *place, *options, PATH=path)
        return code, output.replace(str(tmp_path), "")

    return run


def test_installing_says_which_espnet_and_notices_another_python(install, machine):
    old, new = machine.path / "python3.11", machine.pyenv / "3.12.4/bin/python"
    code, output = install("--python", new)
    assert code == 0, output
    assert "Python 3.12.4 (/venv/bin/python): ESPnet 202611 or later" in output
    for same in ([], ["--python", "3.12"], ["--python", new], ["--extras", "g2p"]):
        assert install(*same) == (0, "install: nothing is missing in /venv\n")
    code, output = install("--extras", "dev")
    assert code == 0 and "installing espnet-st[dev,teacher,g2p,eval]" in output
    assert "making" not in output

    code, output = install("--python", old)
    assert code == 0, output
    assert "making /venv with /bin/python3.11" in output
    assert "Python 3.11.7 (/venv/bin/python): ESPnet 202511\n" in output
    assert install() == (0, "install: nothing is missing in /venv\n")
    machine.python(old, "3.10.1")
    code, output = install()
    assert code == 0 and "Python 3.10.1" in output, "the stamp is another Python's"


def test_only_its_own_environment_is_made_anew(install, machine, tmp_path):
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(machine.path / "python3.11")
    code, output = install("--python", machine.pyenv / "3.12.4/bin/python")
    assert code == 1 and "/venv is in the way" in output
    code, output = install()
    assert code == 0 and "Python 3.11.7" in output, "it may be used as it is"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--python", "3.9"], "Python 3.9 will not do: expected 3.10 to 3.13"),
        (["--python", "3.14.0"], "Python 3.14.0 will not do"),
        (["--python", "/no/python"], "/no/python is no CPython that runs"),
        (["--active"], "--active and /venv: name one place"),
        (["--python"], "--python needs a value"),
    ],
)
def test_what_cannot_be_installed_is_refused(install, tmp_path, options, message):
    code, output = install(*options)
    assert code == 1 and message in output
    assert not (tmp_path / "venv").exists()


def test_recipes_use_the_environment_that_is_named(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    done = subprocess.run(
        ["bash", "-euc", ". ./path.sh; command -v python"],
        cwd=ROOT / "egs2/mini/speechtok1",
        env=os.environ | {"ESPNET_ST_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "bin/python")
