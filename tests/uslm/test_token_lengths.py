"""Lengths of text tokens: learnt from totals, placed on the time axis."""

import torch

from espnet_st.uslm.positions import TokenLengths


def test_lengths_of_the_tokens_are_found_from_totals():
    generator = torch.Generator().manual_seed(0)
    true = torch.tensor([1.0, 3.0, 5.0, 9.0])
    text = torch.randint(4, (400, 12), generator=generator)
    lengths = torch.randint(4, 13, (400,), generator=generator)
    valid = torch.arange(12) < lengths[:, None]
    frames = (true[text] * valid).sum(1) + 8.0
    model = TokenLengths(4, 3.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(600):
        optimizer.zero_grad()
        model.loss(text, lengths, frames).backward()
        optimizer.step()
    found = model.frames().detach()
    torch.testing.assert_close(found, torch.tensor([1.0, 3, 5, 9, 8]), atol=0.3, rtol=0)


def test_tokens_fill_the_utterance():
    model = TokenLengths(3, 2.0)
    text, lengths = torch.tensor([[0, 1, 2], [2, 1, 0]]), torch.tensor([3, 2])
    where = model.place(text, lengths, torch.tensor([16.0, 6.0]))
    # Tokens and silence of two frames each, twice as slow in the first utterance.
    torch.testing.assert_close(where[0], torch.tensor([4.0, 8.0, 12.0]))
    torch.testing.assert_close(where[1, :2], torch.tensor([2.0, 4.0]))
