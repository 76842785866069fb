"""The command: what it refuses before it serves."""

import socket
import sys
from pathlib import Path

import pytest

from espnet_st.bin.demo import main

TRAINED = Path(__file__).resolve().parents[1] / "trained"
CODEC = str(TRAINED / "codec.zip")


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def has_gradio():
    pytest.importorskip("gradio", reason="the page needs gradio: pip install .[demo]")


def test_a_page_needs_a_model(capsys):
    assert "give --codec, --uslm or both" in refused(capsys)


def test_a_page_needs_gradio(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert "pip install 'espnet_st[demo]'" in refused(capsys, "--codec", CODEC)


def test_limits_that_leave_nothing(capsys, has_gradio):
    message = refused(capsys, "--codec", CODEC, "--max_seconds", "0")
    assert "max_seconds is 0: give more than 0.1" in message


def test_a_model_that_is_none(capsys, has_gradio, tmp_path):
    assert str(tmp_path) in refused(capsys, "--codec", str(tmp_path))


def test_a_port_that_is_taken(capsys, has_gradio):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = refused(capsys, "--codec", CODEC, "--port", port)
    assert f"cannot listen on 127.0.0.1, port {port}" in message
    assert "give another --port" in message
