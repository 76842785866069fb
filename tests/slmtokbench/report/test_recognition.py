"""Word errors of recognisers in a table, and the command that writes it."""

import pytest

from espnet_st.bin import score_wer
from espnet_st.slmtokbench.report.recognition import recognition_table

WORDS = {"a": "ONE TWO THREE", "b": "FOUR"}


def text(path, table):
    path.write_text("".join(f"{key} {words}\n" for key, words in table.items()))
    return path


def test_rates_counts_and_the_comparison_with_the_first():
    table = recognition_table(
        "T", WORDS, {"mel": WORDS, "RVQ-1": {"a": "ONE TOO THREE THREE", "b": ""}}
    )
    first, second = table.rows
    assert first == ("mel", "0.0 (0.0–0.0)", "0 / 0 / 0 / 4", "2")
    assert second[1].startswith("75.0 (") and second[2] == "1 / 1 / 1 / 4"
    (note,) = table.notes
    assert "RVQ-1's rate less mel's is 75.0 points" in note
    assert "mel is better" in note


def test_an_utterance_that_was_not_decoded_is_refused():
    with pytest.raises(ValueError, match="RVQ-1 has no transcript of 1 of 2 .* b; "):
        recognition_table("T", WORDS, {"RVQ-1": {"a": "ONE"}})
    with pytest.raises(ValueError, match="no reference text, e.g. c"):
        recognition_table("T", WORDS, {"RVQ-1": WORDS | {"c": "X"}})


def test_the_command_writes_it(tmp_path, capsys):
    reference = text(tmp_path / "text", WORDS)
    found = text(tmp_path / "found", {"a": "ONE TWO THREE", "b": ""})
    options = ["--reference", reference, "--title", "Digits", f"RVQ-1={found}"]
    score_wer.main(list(map(str, options)))
    said = capsys.readouterr().out
    assert said.startswith("### Digits\n") and "|RVQ-1|25.0 (" in said
    out = tmp_path / "new/RESULTS.md"
    score_wer.main(list(map(str, ["--output", out, *options])))
    assert out.read_text() == said


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        (["{}"], "expected LABEL=TEXT"),
        (["={}"], "expected LABEL=TEXT"),
        (["x={}", "x={}"], "'x' comes twice"),
    ],
)
def test_systems_that_cannot_be_told_apart_are_refused(
    tmp_path, capsys, systems, message
):
    reference = str(text(tmp_path / "text", WORDS))
    systems = [system.format(reference) for system in systems]
    with pytest.raises(SystemExit):
        score_wer.main(["--reference", reference, *systems])
    assert message in capsys.readouterr().err
