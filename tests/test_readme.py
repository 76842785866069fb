"""The README's Python on trained models, as it stands: a small one and a recipe's.

The small one is kept in `tests/trained`, and `make.sh` there makes it. That of the mini
recipe is tried where it was trained, in `egs2/mini/speechtok1` or in the directory
that the environment variable ESPNET_ST_TRAINED names.
"""

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

from espnet_st.bin import cli
from espnet_st.data.audio import read_audio
from espnet_st.data.kaldi import read_table
from espnet_st.inference.decode_options import DEFAULTS
from espnet_st.slmtokbench.scorers.pocketsphinx import PocketsphinxRecognizer
from espnet_st.slmtokbench.scorers.recognizer import plain_words
from espnet_st.slmtokbench.scorers.wer import Errors, count_errors

ROOT = Path(__file__).resolve().parents[1]
SMALL = ROOT / "tests/trained"
MINI = ROOT / "egs2/mini/speechtok1"
RECIPE = Path(os.environ.get("ESPNET_ST_TRAINED", MINI))
PROMPTS = 24
"""Prompts tried with the recipe's model."""
ANY_WORDS = "Words of the prompt"
"""What stands in the README for the words of the user's own prompt."""


def snippets():
    """The fenced Python blocks of the README, by the class that they import."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {re.search(r"^from espnet_st import (\w+)$", b, re.M)[1]: b for b in blocks}


@dataclass
class Trained:
    """A user's directory: `exp/codec_mini` and `exp/uslm_mini` are in it."""

    directory: Path
    prompts: dict[str, str]
    """Audio files, and what they say."""
    word_errors: float
    """Share of words that may be wrong; a good deal above what was measured."""

    def take(self, prompt):
        """Make one of the prompts the user's `speech.wav`."""
        soundfile.write(self.directory / "speech.wav", *read_audio(prompt))


def small(work):
    (work / "exp").mkdir()
    for name in ("codec", "uslm"):
        shutil.copy(SMALL / f"{name}.zip", work / f"exp/{name}_mini")
    words = read_table(SMALL / "prompts/text")
    prompts = {f"{SMALL}/prompts/{key}.flac": words[key] for key in words}
    return Trained(work, prompts, 0.55)


def recipe(work):
    for name in (
        "codec_mini/latest.pth",
        "uslm_mini/latest.pth",
        "uslm_mini/decode.yaml",
    ):
        if not (RECIPE / "exp" / name).exists():
            pytest.skip(f"no {RECIPE}/exp/{name}: run egs2/mini/speechtok1/run.sh")
    (work / "exp").symlink_to((RECIPE / "exp").resolve())
    wavs, words = (
        read_table(RECIPE / "dump/raw/test" / n) for n in ("wav.scp", "text")
    )
    keys = sorted(wavs)[:: max(len(wavs) // PROMPTS, 1)][:PROMPTS]
    return Trained(work, {str(RECIPE / wavs[key]): words[key] for key in keys}, 0.3)


@pytest.fixture(scope="module", params=[small, recipe], ids=lambda make: make.__name__)
def trained(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    """That of the mini corpus."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    work = tmp_path_factory.mktemp("lm")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(MINI / "local")
        import grammar
        import lm
    sentences = grammar.sentences(4000, random.Random(0), set())
    lm.write_bigram(sentences, work / "bigram.lm")
    known = Path(pocketsphinx.get_model_path()) / "en-us/cmudict-en-us.dict"
    lm.write_dictionary(
        grammar.vocabulary(), lm.read_dictionary(known), work / "words.dict"
    )
    return PocketsphinxRecognizer({"corpus_lm": work})


@pytest.mark.parametrize("name", ["AudioCoding", "Text2Speech"])
def test_a_snippet_runs_as_it_stands(trained, name):
    trained.take(next(iter(trained.prompts)))
    command = [sys.executable, "-c", snippets()[name]]
    subprocess.run(command, cwd=trained.directory, check=True)


def test_the_commands_run_as_they_stand(trained, monkeypatch):
    trained.take(next(iter(trained.prompts)))
    monkeypatch.chdir(trained.directory)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^espnet-st .*$", text.replace("\\\n", " "), re.MULTILINE)
    for line in lines:
        assert cli.main(shlex.split(line, comments=True)[1:]) == 0, line
    made = {"speech.npy", "content.wav", "rope.wav"}
    assert len(lines) == len(made)
    assert made <= {path.name for path in trained.directory.iterdir()}


def test_the_codec_does_what_the_snippet_says(trained, recognizer, monkeypatch):
    monkeypatch.chdir(trained.directory)
    errors = {"wav": Errors(), "content": Errors()}
    for prompt, words in trained.prompts.items():
        trained.take(prompt)
        names = {}
        exec(snippets()["AudioCoding"], names)
        assert names["codes"].shape[0] == 8 and names["codec"].frame_rate == 50
        for form in errors:
            recognized = recognizer.recognize(names[form].numpy())
            errors[form] += count_errors(words.split(), recognized.split())
    rates = {form: one.total / one.words for form, one in errors.items()}
    assert rates["wav"] < 0.3 and rates["content"] < 0.4, rates


def test_the_call_speaks_in_the_voices_of_many_prompts(
    trained, recognizer, monkeypatch
):
    """With the words of each prompt in place of those that stand in the README."""
    monkeypatch.chdir(trained.directory)
    code = snippets()["Text2Speech"]
    text = plain_words(re.search(r'tts\(\s*"(.*?)"', code)[1])
    assert code.count(ANY_WORDS) == 1
    errors, silent = Errors(), []
    for prompt, words in trained.prompts.items():
        trained.take(prompt)
        names = {}
        try:
            exec(code.replace(ANY_WORDS, words), names)
        except ValueError as error:
            assert "ended at once" in str(error)
            silent.append(prompt)
            continue
        assert not names["out"]["truncated"]
        recognized = recognizer.recognize(names["out"]["wav"].numpy())
        errors += count_errors(text.split(), recognized.split())
    assert len(silent) <= len(trained.prompts) // 12, silent
    assert errors.total / errors.words < trained.word_errors, errors


def test_without_the_models_defaults_the_call_would_fail(trained, monkeypatch):
    """What the test before is for: the built-in options end many texts at once."""
    monkeypatch.chdir(trained.directory)
    code = snippets()["Text2Speech"]
    tts = 'codec="exp/codec_mini"'
    assert code.count(tts) == 1
    options = ", ".join(f"{name}={value!r}" for name, value in DEFAULTS.items())
    code = code.replace(tts, f"{tts}, {options}")
    advice = []
    for prompt, words in trained.prompts.items():
        trained.take(prompt)
        try:
            exec(code.replace(ANY_WORDS, words), {})
        except ValueError as error:
            advice.append(str(error))
    assert len(advice) >= len(trained.prompts) // 4
    assert all("give ar_prompt=False" in one for one in advice)
