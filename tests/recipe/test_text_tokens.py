"""Text to tokens, from stage 3 to training and inference, by ESPnet's tokenizers."""

import pytest
from espnet2.bin.tokenize_text import tokenize

from espnet_st.inference.text import TextTokens

SENTENCES = [
    "the quick brown fox jumps over the lazy dog",
    "she sells sea shells by the sea shore",
    "the dog sells the quick fox by the shore",
] * 4
PHONEMES = ["DH AH0 D AO1 G", "SH IY1   S IY1", "DH AH0   S IY1"]


def token_list(path, text, **options):
    """Write and read the list as stage 3 does."""
    tokenize(
        input=str(text), output=str(path), field="2-", delimiter=None,
        space_symbol="<space>", non_linguistic_symbols=None, log_level="WARNING",
        write_vocabulary=True, vocabulary_size=0, cutoff=0,
        remove_non_linguistic_symbols=False, add_nonsplit_symbol=[],
        add_symbol=["<blank>:0", "<unk>:1", "<sos/eos>:-1"], **options,
    )  # fmt: skip
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def text(tmp_path):
    """A table of sentences."""

    def write(sentences):
        path = tmp_path / "text"
        lines = (f"u{n:02} {line}\n" for n, line in enumerate(sentences))
        path.write_text("".join(lines))
        return path

    return write


def same_ids(options, tokens, sentence):
    """Ids of a sentence at inference, held to those in training."""
    from espnet2.train.preprocessor import CommonPreprocessor

    ours = TextTokens(options | {"token_list": tokens})(sentence).tolist()
    training = CommonPreprocessor(
        train=True,
        token_list=tokens,
        token_type=options["token_type"],
        bpemodel=options.get("bpemodel"),
        text_cleaner=options.get("cleaner"),
        g2p_type=options.get("g2p"),
    )
    assert ours == training("u00", {"text": sentence})["text"].tolist()
    return ours


@pytest.mark.parametrize("cleaner", ["none", "tacotron"])
def test_pieces_are_learnt_listed_and_read(text, tmp_path, script, cleaner):
    path, model = text(SENTENCES), tmp_path / "bpe.model"
    code, said = script(
        "scripts/train_bpe.py", "--pieces", 40, "--cleaner", cleaner, path, model
    )
    assert code == 0, said
    options = dict(token_type="bpe", bpemodel=str(model), g2p=None)
    options["cleaner"] = None if cleaner == "none" else cleaner
    tokens = token_list(tmp_path / "tokens.txt", path, **options)
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert any(len(token) > 2 for token in tokens[2:-1]), "pieces of several letters"
    ids = same_ids(options, tokens, SENTENCES[0])
    assert tokens.index("<unk>") not in ids and len(ids) < len(SENTENCES[0])
    spoken = "".join(tokens[i] for i in ids).replace("\u2581", " ").strip()
    assert spoken == (SENTENCES[0] if cleaner == "none" else SENTENCES[0].upper())
    assert not list(tmp_path.glob("*.part"))


def test_too_few_pieces_are_refused(text, tmp_path, script):
    code, said = script(
        "scripts/train_bpe.py", "--pieces", 3, text(SENTENCES), tmp_path / "bpe.model"
    )
    assert code == 1 and "no model of 3 pieces" in said
    assert not (tmp_path / "bpe.model").exists()


@pytest.mark.parametrize("kind", ["char", "phn"])
def test_letters_and_given_phonemes(text, tmp_path, kind):
    sentences = SENTENCES if kind == "char" else PHONEMES
    options = dict(token_type=kind, g2p=None, bpemodel=None, cleaner=None)
    tokens = token_list(tmp_path / "tokens.txt", text(sentences), **options)
    assert (tokens[2] == "<space>") == (kind == "char")
    ids = same_ids(options, tokens, sentences[0])
    assert len(ids) == len(sentences[0] if kind == "char" else sentences[0].split())
    assert 1 not in ids
    strange = same_ids(options, tokens, f"{sentences[0]} ZH")
    assert strange.count(1) == (2 if kind == "char" else 1)
