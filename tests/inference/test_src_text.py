"""`tokenize --format asr2`: source text and tokens of a corpus."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.bin.tokenize import main as tokenize
from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.data.kaldi import read_table
from espnet_st.inference.code_tokens import CodeTokens


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A wav.scp of twelve utterances, one of them without samples."""
    work = tmp_path_factory.mktemp("corpus")
    draw = np.random.default_rng(0)
    lines = []
    for number in range(12):
        samples = draw.uniform(-0.3, 0.3, 0 if number == 5 else 3000 + 900 * number)
        soundfile.write(work / f"u{number:02}.wav", samples, 16000)
        lines.append(f"u{number:02} {work}/u{number:02}.wav\n")
    (work / "wav.scp").write_text("".join(lines))
    return work / "wav.scp"


@pytest.fixture(scope="module")
def command(exp):
    def run(source, output, *options):
        kind = "--codes_scp" if source.name == "codes.scp" else "--wav_scp"
        given = ["--codec", exp, kind, source, "--output_dir", output, *options]
        tokenize([*map(str, given), "--format", "asr2"])

    return run


@pytest.fixture(scope="module")
def train(command, corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("train") / "tokens"
    command(corpus, output, "--token_type", "bpe", "--pieces", "14", "--layers", "1")
    return output


def test_a_wav_scp_becomes_text_and_tokens(train, codec):
    texts, tokens = read_table(train / "src_text"), CodeTokens.load(train)
    assert sorted(texts) == [f"u{n:02}" for n in range(12) if n != 5]
    assert "u05" in (train / "skipped.txt").read_text()
    assert len(tokens.list) == 14 and tokens.codebooks.equal(codec.codebooks)
    for key, codes in CodesReader(train / "codes/codes.scp").items():
        once = torch.unique_consecutive(codes[:1], dim=1)
        assert tokens.to_codes(texts[key]).equal(once)


def test_other_sets_take_the_tokens_and_give_the_same(train, command, corpus, tmp_path):
    command(corpus, tmp_path / "a", "--tokens", train)
    command(train / "codes/codes.scp", tmp_path / "b", "--tokens", train)
    options = ["--tokens", train, "--nj", "2", "--job", "2"]
    command(corpus, tmp_path / "part", *options)
    texts = read_table(train / "src_text")
    assert read_table(tmp_path / "a/src_text") == texts
    assert read_table(tmp_path / "b/src_text") == texts
    part = read_table(tmp_path / "part/src_text")
    assert part == {key: texts[key] for key in part} and len(part) == 5
    assert not (tmp_path / "a/tokens.txt").exists()


def test_a_second_run_makes_nothing_anew(train, command, corpus):
    files = [train / name for name in ("src_text", "bpe.model", "codes/codes.ark")]
    before = [path.stat().st_mtime_ns for path in files]
    options = ["--token_type", "bpe", "--pieces", "14"]
    command(corpus, train, *options)
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(ValueError, match="was begun with pieces 14, now 16"):
        command(corpus, train, *options[:-1], "16")


def test_codes_without_names_are_words(command, train, tmp_path):
    codes_scp = train / "codes/codes.scp"
    command(codes_scp, tmp_path / "out", "--layers", "2-3", "--deduplicate", "false")
    tokens = CodeTokens.load(tmp_path / "out")
    assert tokens.options.token_type == "word"
    codes = CodesReader(codes_scp)
    for key, text in read_table(tmp_path / "out/src_text").items():
        assert tokens.to_codes(text).equal(codes[key][1:])


def test_bad_codes_are_named_and_the_rest_goes_on(command, tmp_path):
    made = {"empty": torch.zeros(3, 0), "large": torch.full((3, 2), 8)}
    made |= {"few": torch.zeros(2, 4), "good": torch.zeros(3, 4)}
    with CodesWriter(tmp_path / "codes") as writer:
        for key, codes in made.items():
            writer[key] = codes.long()
    scp = tmp_path / "codes/codes.scp"
    with scp.open("a") as stream:
        stream.write(f"lost {tmp_path}/none.ark:5\n")
    command(scp, tmp_path / "out")
    assert list(read_table(tmp_path / "out/src_text")) == ["good"]
    reasons = read_table(tmp_path / "out/skipped.txt")
    assert sorted(reasons) == ["empty", "few", "large", "lost"]
    assert "empty" in reasons["empty"] and "expected [0, 7]" in reasons["large"]
    assert "2 layers; expected 3" in reasons["few"] and "none.ark" in reasons["lost"]


def test_codes_of_another_codec_are_refused(command, train, tmp_path):
    with CodesWriter(tmp_path / "codes") as writer:
        writer["u"] = torch.zeros(3, 4).long()
    books = np.load(train / "codebooks.npy")
    np.save(tmp_path / "codes/codebooks.npy", books + 1)
    with pytest.raises(ValueError, match="the tokens are of another"):
        command(tmp_path / "codes/codes.scp", tmp_path / "out", "--tokens", train)
    other = tmp_path / "tokens"
    CodeTokens(
        torch.from_numpy(books + 1),
        CodeTokens.load(train).options,
        (train / "bpe.model").read_bytes(),
    ).save(other)
    (tmp_path / "codes/codebooks.npy").unlink()
    with pytest.raises(ValueError, match="the tokens are of another"):
        command(tmp_path / "codes/codes.scp", tmp_path / "out", "--tokens", other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "4"], "layers is '4'; the codec has layers 1-3"),
        (["--token_type", "bpe"], "token_type bpe with 0 pieces; expected pieces"),
        (["--pieces", "20"], "token_type word with 20 pieces"),
        (["--tokens", "/none"], "/none has no tokens.txt"),
    ],
)
def test_wrong_values_are_refused(options, message, command, train, tmp_path):
    with pytest.raises(ValueError, match=message):
        command(train / "codes/codes.scp", tmp_path, *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "kaldi", "--layers", "1"], "--layers is of --format asr2"),
        (["--format", "packed", "--tokens", "x"], "--tokens is of --format asr2"),
        (["--tokens", "x", "--layers", "1"], "--layers with --tokens x"),
        (["--nj", "2"], "--nj 2 without --tokens"),
        (["--codes_scp", "y"], "not allowed with argument --wav_scp"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, capsys):
    given = ["--codec", "x", "--output_dir", "y", "--format", "asr2"]
    with pytest.raises(SystemExit):
        tokenize([*given, "--wav_scp", "z", *options])
    assert message in capsys.readouterr().err
