"""Residual vector quantizer: straight-through, moving averages, round trips."""

import torch

from espnet_st.codec.quantizer import (
    Codebook,
    ResidualVectorQuantizer,
    kmeans,
    nearest,
)


def make_quantizer(**conf) -> ResidualVectorQuantizer:
    torch.manual_seed(0)
    quantizer = ResidualVectorQuantizer(
        6, **({"n_q": 3, "codebook_size": 16, "dead_code_threshold": 0.0} | conf)
    )
    quantizer.train()
    quantizer(torch.randn(8, 6, 50))
    return quantizer


def test_gradient_is_exactly_one():
    quantizer = make_quantizer()
    latent = torch.randn(2, 6, 9, requires_grad=True)
    out = quantizer(latent)
    for output in (out.sum, out.first):
        (gradient,) = torch.autograd.grad(output.sum(), latent, retain_graph=True)
        assert torch.equal(gradient, torch.ones_like(latent))


def test_commitment_is_the_sum_of_mean_squares_and_pulls_every_layer():
    quantizer = make_quantizer().eval()
    latent = torch.randn(2, 6, 9, requires_grad=True)
    out = quantizer(latent)
    residual, expected = latent.detach().double(), 0.0
    for vectors in quantizer.vectors(out.codes).double():
        expected += (residual - vectors).square().mean()
        residual = residual - vectors
    torch.testing.assert_close(out.commitment.double(), expected)
    out.commitment.backward()
    total = quantizer.vectors(out.codes).cumsum(0)  # outputs up to each layer
    gradient = sum(2 * (latent.detach() - part) / latent.numel() for part in total)
    torch.testing.assert_close(latent.grad, gradient)


def test_forward_encode_and_vectors_agree():
    quantizer = make_quantizer().eval()
    latent = torch.randn(2, 6, 9)
    out = quantizer(latent)
    assert torch.equal(out.codes, quantizer.encode(latent))
    vectors = quantizer.vectors(out.codes)
    torch.testing.assert_close(vectors.sum(0), out.sum)
    torch.testing.assert_close(vectors[0], out.first)
    errors = (latent - vectors.cumsum(0)).square().mean((1, 2, 3))
    assert (errors[1:] < errors[:-1]).all()


def test_nearest_is_the_closest_entry_in_float64():
    x, entries = torch.randn(50, 6), torch.randn(20, 6)
    expected = torch.cdist(x.double(), entries.double()).argmin(1)
    assert torch.equal(nearest(x, entries), expected)


def test_update_is_the_moving_average():
    torch.manual_seed(1)
    codebook = Codebook(4, 3, decay=0.9, kmeans_iterations=5, dead_code_threshold=0.0)
    x = torch.randn(40, 3)
    codebook.initialise(x)
    counts, sums = codebook.counts.double(), codebook.sums.double()
    index = nearest(x, codebook.entries)
    codebook.update(x, index)
    for entry in range(4):
        won = x[index == entry].double()
        counts[entry] = 0.9 * counts[entry] + 0.1 * len(won)
        sums[entry] = 0.9 * sums[entry] + 0.1 * won.sum(0)
    torch.testing.assert_close(
        codebook.entries.double(), sums / counts[:, None], rtol=1e-5, atol=1e-5
    )


def test_a_dead_entry_comes_back_and_stays():
    torch.manual_seed(0)
    codebook = Codebook(4, 3, decay=0.9, kmeans_iterations=5, dead_code_threshold=0.5)
    x = torch.randn(64, 3)
    codebook.initialise(x)
    codebook.entries[2] = 1e3
    codebook.sums[2], codebook.counts[2] = 1e3 * 1e-3, 1e-3
    for _ in range(5):
        codebook.update(x, nearest(x, codebook.entries))
    assert codebook.entries.abs().max() < 10
    assert torch.bincount(nearest(x, codebook.entries), minlength=4).min() > 0


def test_small_first_batch_leaves_the_next_layer_something():
    torch.manual_seed(0)
    quantizer = ResidualVectorQuantizer(6, n_q=3, codebook_size=64).train()
    out = quantizer(torch.randn(1, 6, 80))
    left = (out.sum - quantizer.vectors(out.codes)[:1].sum(0)).square().mean()
    assert left > 0.05
    assert out.codes.unique().numel() > 1


def test_kmeans_finds_separated_clusters():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [9.0, 9.0], [-9.0, 9.0]])
    x = centres.repeat(50, 1) + 0.1 * torch.randn(150, 2)
    means, counts = min(
        (kmeans(x, 3, 10) for _ in range(5)),
        key=lambda result: (result[1] - 50).abs().sum(),
    )
    assert counts.tolist() == [50, 50, 50]
    assert torch.cdist(means, centres).min(0).values.max() < 0.1


def test_usage_counts_perplexity_and_dead_entries():
    quantizer = make_quantizer(codebook_size=4, dead_code_threshold=1.0)
    quantizer.layers[0].counts.copy_(torch.tensor([5.0, 5.0, 0.0, 0.0]))
    usage = quantizer.usage()
    torch.testing.assert_close(usage["perplexity_rvq1"], torch.tensor(2.0))
    assert usage["dead_codes_rvq1"] == 2
