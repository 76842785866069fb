"""What setup.py requires for each Python, and the check that an environment has it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tools"


def runtime():
    """The runtime requirements of setup.py."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "RUNTIME":
            return list(map(Requirement, ast.literal_eval(node.value)))
    raise AssertionError("setup.py has no RUNTIME")


def required(python):
    """{name: specifier} of what setup.py requires for a Python."""
    place = {"python_version": python}
    found = [r for r in runtime() if r.marker is None or r.marker.evaluate(place)]
    names = [requirement.name for requirement in found]
    assert len(names) == len(set(names)), names
    return {requirement.name: requirement.specifier for requirement in found}


@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_a_new_python_means_the_new_espnet(python):
    new = required(python)
    assert "202611" in new["espnet"] and "202511" not in new["espnet"]
    for version, good in {"2.11.0": 1, "2.12.0": 0, "2.12.1": 0, "2.14.1": 1}.items():
        assert (version in new["torch"]) == good
    assert "2.11.0" in new["torchaudio"] and "2.11.1" not in new["torchaudio"]
    assert "numpy" not in new, "only the old ESPnet needs that bound"


@pytest.mark.parametrize("python", ["3.10", "3.11"])
def test_an_old_python_means_the_old_espnet(python):
    old = required(python)
    assert "202511" in old["espnet"] and "202609" not in old["espnet"]
    assert "2.11.0" in old["torch"] and "2.13.0" not in old["torch"]
    assert "2.11.0" in old["torchaudio"] and "2.11.1" not in old["torchaudio"]
    assert "2.3.5" in old["numpy"] and "2.4.0" not in old["numpy"]


def test_both_need_the_same_packages_but_for_the_bound_of_numpy():
    assert required("3.10").keys() - required("3.13").keys() == {"numpy"}
    assert not required("3.13").keys() - required("3.10").keys()


def test_another_index_has_the_lines_on_torch_with_their_markers():
    script = (TOOLS / "install.sh").read_text()
    (command,) = [line for line in script.splitlines() if "torch=$(sed " in line]
    done = subprocess.run(
        ["bash", "-euc", f'root={ROOT}\n{command}\nprintf "%s\\n" "${{torch}}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    found = set(map(Requirement, done.stdout.splitlines()))
    assert found == {r for r in runtime() if r.name.startswith("torch")}
    assert len(found) == 4


def check_install(*path):
    """Run the check, with directories before all others on Python's path."""
    paths = filter(None, [*map(str, path), os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, TOOLS / "check_install.py", "--extras", "dev"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_this_python_meets_the_requirements():
    done = check_install()
    assert done.returncode == 0, done.stdout + done.stderr
    table = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert table["python"][1:] == ["<3.14,>=3.10", sys.version.split()[0], "ok"]
    new = sys.version_info >= (3, 12)
    assert (table["espnet"][-2] >= "202611") == new
    assert ("numpy" in table) != new


def test_a_library_that_does_not_load_is_named_with_the_reason(tmp_path):
    (tmp_path / "torchaudio.py").write_text('raise OSError("lib.so: no such symbol")')
    done = check_install(tmp_path)
    assert done.returncode == 1
    *table, last = done.stdout.splitlines()
    (row,) = [line for line in table if line.startswith("torchaudio")]
    assert row.endswith("does not load: lib.so: no such symbol")
    assert last == "Not met: torchaudio. Run tools/install.sh."
