"""The package's two classes, its types, `python -m espnet_st`, and `register`."""

import subprocess
import sys
from pathlib import Path

import pytest

import espnet_st
from espnet_st import __main__ as plugin

ROOT = Path(__file__).resolve().parents[1]


def test_the_package_gives_the_classes_of_their_rooms():
    from espnet_st import AudioCoding, Text2Speech
    from espnet_st.inference import audio_coding, text2speech

    assert AudioCoding is audio_coding.AudioCoding
    assert Text2Speech is text2speech.Text2Speech
    assert {"AudioCoding", "Text2Speech", "__version__"} <= set(dir(espnet_st))
    assert set(espnet_st.__all__) == {"AudioCoding", "Text2Speech"}


def test_an_unknown_name_is_refused_by_name():
    with pytest.raises(AttributeError, match="'espnet_st' has no attribute 'Speech2'"):
        _ = espnet_st.Speech2
    with pytest.raises(ImportError, match="Speech2"):
        from espnet_st import Speech2  # noqa: F401


def test_what_is_no_python_is_installed_too(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "espnet_st/py.typed").is_file()  # for type checkers
    assert (tmp_path / "espnet_st/demo/page.css").is_file()
    report = tmp_path / "espnet_st/slmtokbench/report/assets"
    assert (report / "report.css").is_file() and (report / "report.js").is_file()
    assets = tmp_path / "espnet_st/slmtokbench/listening/assets"
    assert {"page.html", "page.css", "app.js"} <= {one.name for one in assets.iterdir()}
    assert (tmp_path / "espnet_st/inference/audio_coding.py").is_file()


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


@pytest.mark.parametrize("task", ["asr", "mt", "tts"])
def test_a_task_that_is_imported_later_gets_the_classes(task):
    code = (
        "import sys\n"
        "from espnet_st.registry import register\n"
        "register()\n"
        "assert not any(name.startswith('espnet2.tasks') for name in sys.modules)\n"
        f"from espnet2.tasks import {task}\n"
        f"for attribute, name, target in register.__globals__['ADDED']"
        f"['espnet2.tasks.{task}']:\n"
        f"    found = getattr({task}, attribute).get_class(name)\n"
        "    assert found.__name__ == target.split(':')[1]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
