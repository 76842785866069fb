"""Masks of padded batches."""

import torch

from espnet_st.masks import valid_mask


def test_what_lies_before_the_length_is_valid():
    mask = valid_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[False] * 3, [True, True, False], [True] * 3]
    assert valid_mask(torch.tensor([5]), 2).tolist() == [[True, True]]
