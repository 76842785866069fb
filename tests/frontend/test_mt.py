"""Tokens of codes as input of ESPnet's discrete ASR."""

import pytest
import torch

from espnet_st.frontend.mt import TokenFrontend
from espnet_st.inference.code_tokens import CodeTokens, TokenOptions

BOOKS = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tokens(tmp_path):
    made = CodeTokens(BOOKS, TokenOptions("1-2"))
    made.save(tmp_path)
    return made


def test_a_token_has_its_codebook_vector(tokens, tmp_path):
    frontend = TokenFrontend(len(tokens.list), tmp_path, vectors="codebook")
    codes = torch.tensor([[0, 3, 3], [2, 1, 1]])
    ids = torch.tensor([tokens.to_ids(tokens.to_text(codes))])
    assert ids.shape == (1, 4)  # the last frame repeats
    found, lengths = frontend(ids, torch.tensor([4]))
    assert frontend.output_size() == 5 and lengths.tolist() == [4]
    assert found[0, 0].equal(BOOKS[0, 0]) and found[0, 1].equal(BOOKS[1, 2])
    assert not list(frontend.parameters())


@pytest.mark.parametrize("vectors", ["learnt", "random"])
def test_vectors_learn(vectors, tokens, tmp_path):
    frontend = TokenFrontend(len(tokens.list), tmp_path, vectors, size=7)
    assert list(dict(frontend.named_parameters())) == ["table"]
    assert frontend.output_size() == (7 if vectors == "random" else 5)
    frontend(torch.tensor([[1, 3]]), torch.tensor([2]))[0].sum().backward()
    assert frontend.table.grad.any(dim=1).nonzero().flatten().tolist() == [1, 3]
    if vectors == "learnt":
        assert frontend.table.equal(tokens.vectors())


@pytest.mark.parametrize("vectors", ["codebook", "learnt"])
def test_a_checkpoint_keeps_the_vectors(vectors, tokens, tmp_path):
    one, other = (TokenFrontend(len(tokens.list), tmp_path, vectors) for _ in "ab")
    with torch.no_grad():
        one.table.mul_(2)
    other.load_state_dict(one.state_dict())
    assert other.table.equal(2 * tokens.vectors())


def test_wrong_options_are_refused(tokens, tmp_path):
    with pytest.raises(ValueError, match="expected --src_token_list .*tokens.txt"):
        TokenFrontend(12, tmp_path)
    with pytest.raises(ValueError, match="expected codebook, learnt or random"):
        TokenFrontend(11, tmp_path, vectors="frozen")
    with pytest.raises(ValueError, match=r"has no tokens\.txt"):
        TokenFrontend(11, tmp_path / "none")
