"""A tiny USLM and inputs for it."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import from_feats
from espnet_st.uslm.training.batch import TrainingBatch
from espnet_st.uslm.training.nar_plan import prefix_mask
from espnet_st.uslm.uslm import USLM

SIZES = dict(
    codebook_size=11, d_model=16, n_heads=2, ar_layers=2, nar_layers=2, ffn_size=24
)
FORMS = {
    "release": dict(),
    "mini": dict(
        rotary=True,
        align=True,
        text_prior=True,
        codebooks=torch.randn(4, 11, 5, generator=torch.Generator().manual_seed(0)),
    ),
}


def build(form="release", seed=0, **options):
    """A USLM of 4 codebooks and 7 tokens, in evaluation mode."""
    torch.manual_seed(seed)
    settings = SIZES | FORMS[form] | dict(dropout=0.0) | options
    return USLM(idim=7, odim=4, **settings).eval()


@pytest.fixture(params=list(FORMS))
def model(request):
    """Each form of the model."""
    return build(request.param)


def utterances(lengths, n_q=4, codebook_size=11, vocab=7, seed=1):
    """Texts (S,) and codes (n_q, T) of the given (S, T)."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randint(vocab, (size,), generator=generator),
            torch.randint(codebook_size, (n_q, frames), generator=generator),
        )
        for size, frames in lengths
    ]


def collate(pairs, padding=0):
    """Text, lengths, codes as ESPnet's loader gives them (B, T, n_q), lengths."""
    text = pad_sequence([t for t, _ in pairs], True, padding)
    feats = pad_sequence([c.t().float() for _, c in pairs], True, padding)
    return (
        text,
        torch.tensor([len(t) for t, _ in pairs]),
        feats,
        torch.tensor([c.shape[1] for _, c in pairs]),
    )


def batch(model, pairs, padding=0):
    """Texts and codes as the losses take them."""
    text, text_lengths, feats, lengths = collate(pairs, padding)
    codes = from_feats(feats)
    where = model.text_positions(text, text_lengths, codes[0], lengths)
    return TrainingBatch(text, text_lengths, where, codes, lengths)


def ar_logits(model, pairs, padding=0):
    """Logits of the AR model for texts and codes."""
    text, text_lengths, feats, lengths = collate(pairs, padding)
    where = model.text_positions(text, text_lengths, feats[..., 0].long(), lengths)
    return model.ar(text, text_lengths, where, feats[..., 0].long())


def nar_logits(model, pairs, stage, padding=0):
    """Logits of the NAR model for texts and codes."""
    text, text_lengths, feats, lengths = collate(pairs, padding)
    where = model.text_positions(text, text_lengths, feats[..., 0].long(), lengths)
    mask = prefix_mask(lengths, feats.shape[1], 150, training=False)
    codes = feats.long().permute(2, 0, 1)
    return model.nar(
        text, text_lengths, where, codes, lengths, mask, torch.full_like(lengths, stage)
    )


@pytest.fixture
def tiny():
    """The functions above."""
    return SimpleNamespace(
        build=build,
        utterances=utterances,
        collate=collate,
        batch=batch,
        ar_logits=ar_logits,
        nar_logits=nar_logits,
    )
