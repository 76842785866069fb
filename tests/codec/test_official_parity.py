"""The generator equal to the official package's: codes, vectors, a training pass.

Its quantizer undoes its own replacement of dead entries, and starts its running sums
without the counts. We do not, so both are compared from a set state and without
replacement.
"""

import itertools

import pytest
import torch
from official_pairs import (
    SHAPES,
    close,
    copy,
    generator_pairs,
    official_model,
    parts_of,
)

from espnet_st.codec import losses
from espnet_st.codec.generator import Generator


@pytest.fixture(params=[*itertools.product(SHAPES, (0, 1, 2))], ids=str)
def pair(request):
    """Our generator and the official model with the same weights, and waveforms."""
    name, seed = request.param
    torch.manual_seed(seed)
    wav = 0.1 * torch.randn(2, 1, 3200)
    theirs = official_model(SHAPES[name], wav)
    ours = Generator(**parts_of(SHAPES[name]))
    copy(generator_pairs(ours, theirs))
    return ours, theirs, wav


@torch.no_grad()
def test_codes_and_vectors_are_equal(pair):
    ours, theirs, wav = (
        part.eval() if hasattr(part, "eval") else part for part in pair
    )
    wav = wav[..., : 3200 - 7]
    codes = theirs.encode(wav)
    assert torch.equal(ours.encode(wav), codes)
    assert codes.unique().numel() > 3
    vectors = ours.quantizer.codes_to_vectors(codes)
    for mine, official in zip(vectors, theirs.forward_feature(wav), strict=True):
        close(mine, official)
    for count in range(1, len(codes)):
        assert torch.equal(theirs.encode(wav, n_q=count), codes[:count])


@torch.no_grad()
def test_decoding_any_range_of_layers_is_equal(pair):
    ours, theirs, _ = pair
    ours.eval(), theirs.eval()
    codes = torch.randint(ours.codebook_size, (ours.n_q, 2, 13))
    for start, end in itertools.combinations(range(ours.n_q + 1), 2):
        part = codes[start:end]
        close(ours.decode(part, start=start), theirs.decode(part, st=start))


def test_a_training_pass_is_equal(pair):
    """Reconstruction, features, commitment, their gradient, and the new codebooks."""
    ours, theirs, wav = pair
    ours.train(), theirs.train()
    wav.requires_grad_()
    decoded, commitment, feature = theirs(wav)
    weights = torch.randn_like(decoded), torch.randn_like(feature)
    loss = (decoded * weights[0]).sum() + (feature * weights[1]).sum() + commitment
    (gradient,) = torch.autograd.grad(loss.sum(), wav)

    quantized = ours.quantizer(ours.encoder(wav))
    fake = ours.decoder(quantized.sum)
    projected = ours.projection(quantized.first.transpose(1, 2))
    errors = losses.first_commitment_loss(quantized.errors)
    close(fake, decoded)
    close(projected, feature)
    close(errors, commitment)
    loss = (fake * weights[0]).sum() + (projected * weights[1]).sum() + errors
    close(torch.autograd.grad(loss, wav)[0], gradient, 1e-4)
    for mine, layer in zip(ours.quantizer.layers, theirs.quantizer.vq.layers):
        close(mine.entries, layer._codebook.embed)
        close(mine.sums, layer._codebook.embed_avg)
        close(mine.counts, layer._codebook.cluster_size)
