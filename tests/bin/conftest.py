"""The command in this process, on the small trained models."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from espnet_st.bin import cli
from espnet_st.inference.audio_coding import AudioCoding

SMALL = Path(__file__).resolve().parents[1] / "trained"


@pytest.fixture(scope="session")
def trained():
    return AudioCoding.from_pretrained(SMALL / "codec.zip")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command line in an empty directory with this codec; gives its exit code.

    `stdin` is what comes on standard input.
    """
    monkeypatch.setenv("ESPNET_ST_MODEL", str(SMALL / "codec.zip"))
    monkeypatch.setattr("sys.argv", ["espnet-st"])
    monkeypatch.chdir(tmp_path)

    def run(*words, stdin=None):
        terminal = stdin is None
        stream = SimpleNamespace(
            buffer=io.BytesIO(stdin or b""), isatty=lambda: terminal
        )
        monkeypatch.setattr("sys.stdin", stream)
        try:
            return cli.main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            return stop.code

    return run


@pytest.fixture
def prompts():
    """Recordings of the test voices."""
    return sorted((SMALL / "prompts").glob("*.flac"))
