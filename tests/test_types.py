"""The type checker's configuration."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_type_checker_refuses_what_has_no_types_or_wrong_ones(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "module.py").write_text(
        "def untyped(x):\n    return x\n\n\ndef wrong() -> int:\n    return '1'\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", ROOT / ".mypy.ini"),
            *("--cache-dir", tmp_path / "cache", tmp_path / "module.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "module.py:1: error" in done.stdout and "[no-untyped-def]" in done.stdout
    assert "module.py:6: error" in done.stdout and "[return-value]" in done.stdout
    assert "Found 2 errors" in done.stdout, done.stdout + done.stderr


def test_what_the_type_checker_is_lenient_with_is_there():
    """A module that moved or went takes its line in .mypy.ini with it."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".mypy.ini")
    for section in config.sections():
        if "disable_error_code" not in config[section]:
            continue
        for module in section.removeprefix("mypy-").split(","):
            path = f"{module.replace('.', '/')}.py"
            assert (ROOT / path).is_file() or (ROOT / "tools/bench" / path).is_file(), (
                path
            )
