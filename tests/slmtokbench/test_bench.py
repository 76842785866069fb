"""`espnet-st bench` on codes that no recipe of ours made, and on bad input."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_hugging_face import save_codec

from espnet_st.bin.cli import main
from espnet_st.slmtokbench import score_tokens
from espnet_st.slmtokbench.config import override
from espnet_st.slmtokbench.token_options import quick_config
from espnet_st.slmtokbench.tokens import alignment_scores

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--quick"]
for setting in ("downstream_steps=2", "downstream_hidden=4", "downstream_layers=1"):
    FAST += ["--set", setting]
NO_SCORERS = ["--set", "recognizers=[]", "--set", "speaker_encoders=[]"]
WORDS = ["one two", "two three", "three one", "one one two"]


@pytest.fixture
def corpus(tmp_path):
    """Units as text, transcripts, phones and speakers of twelve utterances."""
    draw = np.random.default_rng(0)
    files = {name: [] for name in ("units", "text", "utt2spk", "phones")}
    for i in range(12):
        key = f"u{i:02}"
        files["units"].append(f"{key} " + " ".join(map(str, draw.integers(0, 6, 40))))
        files["text"].append(f"{key} {WORDS[i % 4]}")
        files["utt2spk"].append(f"{key} s{i % 3}")
        for j in range(8):
            files["phones"].append(f"{key} 1 {0.1 * j:.1f} 0.1 p{draw.integers(3)}")
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def bench(corpus, *options, codes="units", text="text"):
    given = ["--codes", str(corpus / codes), "--text", str(corpus / text)]
    return main(["bench", *given, *FAST, "-o", str(corpus / "out"), *options])


def scores_of(corpus):
    return json.loads((corpus / "out/scores.json").read_text())


def rewrite(path, change):
    """Change the lines of a file."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


def test_units_as_text_are_scored(corpus, capsys):
    options = ["--frame-rate", "50", "--phones", str(corpus / "phones")]
    assert bench(corpus, *options, "--utt2spk", str(corpus / "utt2spk")) == 0
    scores = scores_of(corpus)
    assert scores["tokens"]["codebook_sizes"] == [6]
    assert scores["tokens"]["utterances"]["scored"] == 12
    assert np.isfinite(scores["text_alignment"]["rvq1"]["mi"])
    assert 0 <= scores["codes"]["phones"]["layers"][0]["pnmi"]["value"] <= 1
    assert scores["not_scored"]["voices"] == "needs --embeddings"
    assert "--audio" in scores["not_scored"]["speech"]
    assert any("split by speaker" in note for note in scores["notes"])
    out = capsys.readouterr().out
    assert "Text alignment" in out and "voices: not scored: needs --embeddings" in out
    assert (corpus / "out/images/phones_given_codes.png").is_file()
    assert "<table" in (corpus / "out/report.html").read_text()


def test_the_documents_lines_run(corpus, monkeypatch):
    (corpus / "units").rename(corpus / "units.txt")
    monkeypatch.chdir(corpus)
    text = (ROOT / "docs/slmtokbench.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    made = {}
    exec(lines, made)
    alignment = made["results"].scores["text_alignment"]["rvq1"]
    assert np.isfinite(alignment["mi"])
    assert "phones" in made["results"].not_scored
    assert (corpus / "results/report.html").is_file()


def test_a_second_run_finds_what_the_first_did(corpus, monkeypatch):
    given = {"codes": corpus / "units", "text": corpus / "text", "frame_rate": 50}
    fast = override(quick_config(), {"downstream_steps": 2, "downstream_hidden": 4})
    first = score_tokens(corpus / "out", fast, **given)

    def trained_again(task):
        raise AssertionError(task.name)

    monkeypatch.setattr(alignment_scores, "align", trained_again)
    second = score_tokens(corpus / "out", fast, **given)
    assert second.scores["text_alignment"] == first.scores["text_alignment"]
    assert first.paths["report"].is_file() and "text_alignment" in first.tables


def test_a_model_of_hugging_face_tokenizes_and_resynthesizes(tmp_path):
    save_codec("encodec", tmp_path / "model")
    draw = np.random.default_rng(0)
    lines = []
    for i in range(4):
        path = tmp_path / f"u{i}.wav"
        soundfile.write(path, 0.1 * draw.standard_normal(16000), 16000)
        lines.append(f"u{i} {path}\n")
    (tmp_path / "wav.scp").write_text("".join(lines))
    given = ["--model", str(tmp_path / "model"), "--audio", str(tmp_path / "wav.scp")]
    options = [*FAST, *NO_SCORERS, "--set", "quality=[mel]"]
    assert main(["bench", *given, *options, "-o", str(tmp_path / "out")]) == 0
    scores = scores_of(tmp_path)
    assert scores["tokens"]["codebook_sizes"] == [16] * 3
    assert scores["tokens"]["frame_rate"] == 75
    assert {"tokens_rvq1", "tokens_rvq1_3"} <= scores["speech"].keys()
    assert scores["codes"]["speed"]["encode_rtf"] > 0
    assert "shift_half" in scores["codes"]["stability"]
    assert scores["not_scored"]["text alignment"] == "needs --text"


def test_what_does_not_match_is_named_and_the_rest_is_scored(corpus, capsys):
    rewrite(corpus / "text", lambda lines: ["u00", *lines[2:], "x one"])
    assert bench(corpus, "--frame-rate", "50") == 1
    left_out = scores_of(corpus)["left_out"]
    assert left_out == {
        "test/u00": "its transcript is empty",
        "test/u01": "no transcript",
        "test/x": "a transcript and no codes",
    }
    assert "test/u01 left out: no transcript" in capsys.readouterr().err


def test_codes_out_of_range_are_named(corpus):
    rewrite(corpus / "units", lambda lines: ["u00 1 9", *lines[1:]])
    assert bench(corpus, "--frame-rate", "50", "--codebook-sizes", "6") == 1
    assert "expected [0, 5]" in scores_of(corpus)["left_out"]["test/u00"]


def test_audio_of_another_length_is_named(corpus):
    lines = []
    for i in range(12):
        path = corpus / f"u{i:02}.wav"
        soundfile.write(path, np.full(12800 if i else 16000, 0.1), 16000)
        lines.append(f"u{i:02} {path}\n")
    (corpus / "wav.scp").write_text("".join(lines))
    assert bench(corpus, "--audio", str(corpus / "wav.scp")) == 1
    scores = scores_of(corpus)
    assert scores["tokens"]["frame_rate"] == 50
    assert list(scores["left_out"]) == ["test/u00"]
    assert "40 frames of codes and 1.00 s" in scores["left_out"]["test/u00"]


def test_one_utterance_has_no_text_alignment(corpus):
    for name in ("units", "text"):
        rewrite(corpus / name, lambda lines: lines[:1])
    assert bench(corpus, "--frame-rate", "50") == 0
    scores = scores_of(corpus)
    assert "at least two" in scores["not_scored"]["text alignment"]
    assert scores["codes"]["usage"]["frame_rate"] == 50


def test_phones_of_another_rate_are_not_scored(corpus):
    def slower(lines):
        fields = [line.split() for line in lines]
        return [
            f"{k} {c} {10 * float(s)} {10 * float(d)} {p}" for k, c, s, d, p in fields
        ]

    rewrite(corpus / "phones", slower)
    options = ["--frame-rate", "50", "--phones", str(corpus / "phones")]
    assert bench(corpus, *options) == 0
    assert "phones end after the codes" in scores_of(corpus)["not_scored"]["phones"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --frame-rate"),
        (["--frame-rate", "0"], "expected more than 0"),
        (["--frame-rate", "50", "--embeddings", "{}/text"], "cannot read embeddings"),
        (["--frame-rate", "50", "--train-codes", "{}/units"], "give --train-text"),
        (["--frame-rate", "50", "--model", "{}"], "expected either codes"),
        (["--frame-rate", "50", "--set", "nothing=1"], "Unknown setting 'nothing'"),
        (["--frame-rate", "50", "--config", "{}/no.yaml"], "no such configuration"),
        (["--frame-rate", "50", "--codebook-sizes", "6", "6"], "codes of 1 layers"),
        (["--frame-rate", "50", "--codebook-sizes", "1"], "can be scored"),
    ],
)
def test_what_cannot_be_begun_is_refused_in_a_line(corpus, capsys, options, message):
    given = [option.format(corpus) for option in options]
    assert bench(corpus, *given) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
