"""`python -m espnet_st` behaves like `python`, and `register` adds our classes once."""

import sys

import pytest

from espnet_st import __main__ as plugin


@pytest.fixture
def python(monkeypatch):
    """`python -m espnet_st` in this process, without ESPnet's slow imports."""
    calls = []
    monkeypatch.setattr(plugin, "register", lambda: calls.append(1))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments):
        plugin.main(list(arguments))
        assert calls == [1]

    return run


def test_code_gets_its_arguments(python, capsys):
    python("-c", "import sys; print(__name__, sys.argv)", "x", "--y")
    assert capsys.readouterr().out == "__main__ ['-c', 'x', '--y']\n"


def test_script_gets_its_arguments_and_its_folder(python, tmp_path, capsys):
    (tmp_path / "neighbour.py").write_text("value = 3\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, neighbour\nprint(__name__, neighbour.value, sys.argv[1:])\n"
    )
    python(str(script), "a", "b")
    assert capsys.readouterr().out == "__main__ 3 ['a', 'b']\n"


def test_module_gets_its_arguments(python, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some_module.py").write_text("import sys\nprint(sys.argv[1:])\n")
    python("-m", "some_module", "--option")
    assert capsys.readouterr().out == "['--option']\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-m"], ["-c"]])
def test_usage(arguments):
    with pytest.raises(SystemExit, match="usage: python -m espnet_st"):
        plugin.main(arguments)


def test_register_adds_the_classes_once():
    from espnet2.tasks.gan_codec import codec_choices
    from espnet2.tasks.tts import tts_choices

    from espnet_st.codec.speechtokenizer import SpeechTokenizer
    from espnet_st.registry import register
    from espnet_st.uslm.uslm import USLM

    register()
    before = dict(codec_choices.classes), dict(tts_choices.classes)
    register()
    assert before == (codec_choices.classes, tts_choices.classes)
    assert codec_choices.get_class("speechtokenizer") is SpeechTokenizer
    assert tts_choices.get_class("uslm") is USLM
