"""Codes as asr2's text: names, characters and pieces; round trips and refusals."""

import json

import pytest
import torch
from espnet2.text.build_tokenizer import build_tokenizer
from espnet2.text.token_id_converter import TokenIDConverter

from espnet_st.inference.code_pieces import train_pieces
from espnet_st.inference.code_tokens import CodeTokens, TokenOptions, parse_layers

BOOKS = torch.arange(3 * 8 * 2).view(3, 8, 2).float()  # (n_q, codebook_size, D)


def some_codes(frames=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(8, (3, frames), generator=generator).sort(dim=0).values


def make(layers="1", token_type="word", deduplicate=False, pieces=None):
    return CodeTokens(BOOKS, TokenOptions(layers, token_type, deduplicate), pieces)


@pytest.fixture(scope="module")
def pieces():
    texts = [make("1", "char").to_text(some_codes(60, seed)) for seed in range(30)]
    return train_pieces(texts, 25, 8)


def test_names_are_espnets_and_layers_interleave():
    codes = torch.tensor([[0, 0, 7], [1, 1, 2], [3, 3, 3]])
    assert make("1-2").to_text(codes) == (
        "<codec_layer0_code0> <codec_layer1_code1> <codec_layer0_code0> "
        "<codec_layer1_code1> <codec_layer0_code7> <codec_layer1_code2>"
    )
    assert make("3", "char").to_text(codes) == "\u4e03" * 3
    assert make("2-3", "char").to_text(codes)[-2:] == "\u4e02\u4e0b"


def test_the_list_is_espnets():
    tokens = make("2-3").list
    assert tokens[:3] == ["<blank>", "<unk>", "<codec_layer1_code0>"]
    assert tokens[-2:] == ["<codec_layer2_code7>", "<sos/eos>"]
    assert len(tokens) == len(set(tokens)) == 2 * 8 + 3


@pytest.mark.parametrize("layers", ["1", "2-3", "1-3"])
@pytest.mark.parametrize("token_type", ["word", "char"])
def test_round_trip(layers, token_type):
    tokens, codes = make(layers, token_type), some_codes()
    assert tokens.to_codes(tokens.to_text(codes)).equal(codes[list(tokens.layers)])


def test_repeats_are_dropped_where_all_chosen_layers_repeat():
    codes = torch.tensor([[1, 1, 1, 2, 1], [5, 5, 6, 6, 6], [0, 1, 2, 3, 4]])
    one, two = make("1", deduplicate=True), make("1-2", deduplicate=True)
    assert one.to_codes(one.to_text(codes)).tolist() == [[1, 2, 1]]
    kept = [[1, 1, 2, 1], [5, 6, 6, 6]]
    assert two.to_codes(two.to_text(codes)).tolist() == kept


def test_pieces_are_runs_of_codes(pieces):
    tokens, codes = make("1", "bpe", pieces=pieces), some_codes()
    text = tokens.to_text(codes)
    assert text == make("1", "char").to_text(codes)
    assert tokens.to_codes(text).equal(codes[:1])
    ids = tokens.to_ids(text)
    assert len(ids) < codes.shape[1] and len(tokens.list) == 25
    of_pieces = [tokens.codes_of(tokens.list[number]) for number in ids]
    assert sum(of_pieces, []) == codes[0].tolist()
    singles = [token for token in tokens.list[2:-1] if len(token) == 1]
    assert len(singles) == 8  # also of codes that the training set lacks


@pytest.mark.parametrize("token_type", ["word", "char", "bpe"])
def test_numbers_are_those_of_stock_espnet(token_type, pieces, tmp_path):
    tokens = make("1", token_type, pieces=pieces if token_type == "bpe" else None)
    tokens.save(tmp_path)
    model = str(tmp_path / "bpe.model") if token_type == "bpe" else None
    stock = build_tokenizer(token_type, bpemodel=model)
    converter = TokenIDConverter(tmp_path / "tokens.txt")
    text = tokens.to_text(some_codes())
    expected = converter.tokens2ids(stock.text2tokens(text))
    assert tokens.to_ids(text) == expected and 1 not in expected
    unknown = {"word": "<codec_layer0_code8>"}.get(token_type, "\u4e09")
    assert tokens.to_ids(unknown) == [1]


def test_vectors_are_means_of_the_codebooks(pieces):
    vectors = make("2-3").vectors()
    assert vectors.shape == (19, 2)
    assert vectors[2:-1].equal(BOOKS[1:].flatten(0, 1))
    assert vectors[1].equal(BOOKS[1:].mean(dim=(0, 1)))  # unknown: the mean of all
    assert not vectors[0].any() and not vectors[-1].any()
    tokens = make("1", "bpe", pieces=pieces)
    number = max(
        range(len(tokens.list) - 1), key=lambda i: len(tokens.list[i]) * (i > 1)
    )
    codes = tokens.codes_of(tokens.list[number])
    assert len(codes) > 1
    assert torch.allclose(tokens.vectors()[number], BOOKS[0, codes].mean(dim=0))


def test_a_directory_keeps_them(pieces, tmp_path):
    saved = make("1", "bpe", True, pieces)
    saved.save(tmp_path)
    loaded = CodeTokens.load(tmp_path)
    assert loaded.list == saved.list and loaded.options == saved.options
    assert loaded.codebooks.equal(BOOKS)
    loaded.check_codec(BOOKS)
    with pytest.raises(ValueError, match="the tokens are of another"):
        loaded.check_codec(BOOKS + 1)


@pytest.mark.parametrize("name", ["tokens.txt", "tokens.json", "codebooks.npy"])
def test_a_missing_file_is_named(name, tmp_path):
    make().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}: expected a directory that"):
        CodeTokens.load(tmp_path)


def test_files_that_do_not_fit_are_refused(pieces, tmp_path):
    make("1", "bpe", pieces=pieces).save(tmp_path)
    lines = (tmp_path / "tokens.txt").read_text(encoding="utf-8")
    (tmp_path / "tokens.txt").write_text(lines + "more\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 26 tokens, which are not those"):
        CodeTokens.load(tmp_path)
    (tmp_path / "tokens.json").write_text(json.dumps({"layer": "1"}))
    with pytest.raises(ValueError, match=r"tokens\.json: .*'layer'"):
        CodeTokens.load(tmp_path)
    make("1", "bpe", pieces=pieces).save(tmp_path)
    (tmp_path / "bpe.model").unlink()
    with pytest.raises(ValueError, match="without a sentencepiece model"):
        CodeTokens.load(tmp_path)
    (tmp_path / "bpe.model").write_bytes(b"no model")
    with pytest.raises(ValueError, match="no sentencepiece model"):
        CodeTokens.load(tmp_path)


def test_a_model_of_other_codes_is_refused(pieces):
    few = BOOKS[:, :4]
    with pytest.raises(ValueError, match="which is not of the 4 codes"):
        CodeTokens(few, TokenOptions("1", "bpe"), pieces)


def test_a_number_of_pieces_out_of_range():
    texts = [make("1", "char").to_text(some_codes())]
    with pytest.raises(ValueError, match="10 pieces for 8 codes; expected at least 11"):
        train_pieces(texts, 10, 8)
    with pytest.raises(ValueError, match="no model of 20 pieces"):
        train_pieces([], 20, 8)
    few = make("1", "bpe", pieces=train_pieces(texts, 5000, 8))
    assert 11 <= len(few.list) < 60


@pytest.mark.parametrize("layers", ["0", "4", "2-4", "3-1", "one"])
def test_layers_that_do_not_exist_are_refused(layers):
    with pytest.raises(ValueError, match="layers is"):
        make(layers)
    with pytest.raises(ValueError, match="layers is"):
        parse_layers(layers, 3)


def test_more_codes_than_characters_are_refused():
    books = torch.zeros(8, 4096, 1)
    with pytest.raises(ValueError, match="32768 codes, and there are 20992 characters"):
        CodeTokens(books, TokenOptions("1-8", "char"))
    assert len(CodeTokens(books, TokenOptions("1-8")).list) == 32771
    with pytest.raises(ValueError, match="expected one of word, char, bpe"):
        make(token_type="phn")


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(3, 0).long(), "the utterance is empty"),
        (torch.full((3, 4), 8), r"expected \[0, 7\]"),
        (torch.zeros(2, 4).long(), "2 layers; expected 3"),
    ],
)
def test_codes_of_another_codec_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        make().to_text(codes)


@pytest.mark.parametrize("token", ["<codec_layer1_code0>", "<codec_layer0_code8>", "x"])
def test_a_token_of_other_codes_is_refused(token):
    with pytest.raises(ValueError, match="is no token of layers 1"):
        make().to_codes(token)
