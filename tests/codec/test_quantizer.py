"""Residual vector quantizer: straight-through, moving averages, round trips."""

import logging
import subprocess
import sys

import pytest
import torch

from espnet_st.codec.codebook import Codebook, kmeans, nearest
from espnet_st.codec.quantizer import CHECK_EVERY, ResidualVectorQuantizer


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


def test_errors_are_mean_squares_and_every_layer_pulls():
    quantizer = make_quantizer().eval()
    latent = torch.randn(2, 6, 9, requires_grad=True)
    out = quantizer(latent)
    residual, expected = latent.detach().double(), []
    for vectors in quantizer.codes_to_vectors(out.codes).double():
        expected.append((residual - vectors).square().mean())
        residual = residual - vectors
    torch.testing.assert_close(out.errors.double(), torch.stack(expected))
    out.errors.sum().backward()
    total = quantizer.codes_to_vectors(out.codes).cumsum(0)  # outputs up to each layer
    gradient = sum(2 * (latent.detach() - part) / latent.numel() for part in total)
    torch.testing.assert_close(latent.grad, gradient)


def test_forward_encode_and_vectors_agree():
    quantizer = make_quantizer().eval()
    latent = torch.randn(2, 6, 9)
    out = quantizer(latent)
    assert torch.equal(out.codes, quantizer.encode(latent))
    vectors = quantizer.codes_to_vectors(out.codes)
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
    left = (out.sum - quantizer.codes_to_vectors(out.codes)[:1].sum(0)).square().mean()
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


def test_vectors_and_codes_of_any_range_of_layers():
    quantizer = make_quantizer().eval()
    codes = torch.randint(16, (3, 2, 9))
    vectors = quantizer.codes_to_vectors(codes)
    assert vectors.shape == (3, 2, 6, 9)
    for start, end in ((0, 3), (0, 1), (1, 3), (2, 3)):
        part = quantizer.codes_to_vectors(codes[start:end], start)
        assert torch.equal(part, vectors[start:end])
        assert torch.equal(quantizer.vectors_to_codes(part, start), codes[start:end])
    for start, count in ((-1, 1), (1, 3), (3, 1), (0, 0)):
        with pytest.raises(ValueError, match=f"{count} layers from layer {start} on"):
            quantizer.codes_to_vectors(codes[:count], start)


def test_dropped_layers_are_missing_from_the_sum_only():
    quantizer = make_quantizer(quantizer_dropout=0.5)
    latent = torch.randn(64, 6, 9)
    expected = quantizer.eval().codes_to_vectors(quantizer(latent).codes).cumsum(0)
    out = quantizer.train()(latent)
    torch.testing.assert_close(out.first, expected[0])
    # Which of the sums of 1, 2, 3 layers each item has.
    distance = (expected - out.sum).abs().amax((2, 3))
    assert (distance.min(0).values < 1e-5).all()
    kept = distance.argmin(0) + 1
    share = [(kept == count).float().mean().item() for count in (1, 2, 3)]
    assert share == pytest.approx([1 / 6, 1 / 6, 4 / 6], abs=0.12)
    out = quantizer.eval()(latent)
    torch.testing.assert_close(out.sum, quantizer.codes_to_vectors(out.codes).sum(0))


def test_quantizer_dropout_is_a_share():
    with pytest.raises(ValueError, match="quantizer_dropout is 8; expected a share"):
        ResidualVectorQuantizer(6, quantizer_dropout=8)


def test_codes_do_not_fall_to_half_precision():
    torch.manual_seed(0)
    quantizer = ResidualVectorQuantizer(64, n_q=2, codebook_size=256).train()
    quantizer(torch.randn(8, 64, 300))
    latent = torch.randn(2, 64, 50)
    codes = quantizer.eval().encode(latent)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quantizer.encode(latent), codes)
        assert torch.equal(quantizer(latent).codes, codes)


def test_a_collapsed_layer_is_named_once_until_it_recovers(caplog):
    quantizer = make_quantizer(codebook_size=64)
    quantizer.layers[1].counts.zero_()[:2] = 5.0
    with caplog.at_level(logging.WARNING):
        for _ in range(3 * CHECK_EVERY):
            quantizer.warn_of_collapse(quantizer.usage())
    (record,) = caplog.records
    assert "quantizer.layers.1 (RVQ-2) has collapsed: perplexity 2.0" in record.message
    for counts in (torch.ones(64), torch.eye(64)[0]):
        quantizer.layers[1].counts.copy_(counts)
        for _ in range(CHECK_EVERY):
            quantizer.warn_of_collapse(quantizer.usage())
    assert len(caplog.records) == 2


def test_usage_counts_perplexity_and_dead_entries():
    quantizer = make_quantizer(codebook_size=4, dead_code_threshold=1.0)
    quantizer.layers[0].counts.copy_(torch.tensor([5.0, 5.0, 0.0, 0.0]))
    usage = quantizer.usage()
    torch.testing.assert_close(usage["perplexity_rvq1"], torch.tensor(2.0))
    assert usage["dead_codes_rvq1"] == 2
    assert usage["usage_rvq1"] == 0.5
    assert {key.rpartition("_rvq")[2] for key in usage} == {"1", "2", "3"}


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_what_is_logged_as_dead_is_what_an_update_replaces(threshold):
    """Also at the threshold itself, and where none is replaced."""
    quantizer = make_quantizer(codebook_size=4, dead_code_threshold=threshold)
    codebook = quantizer.layers[0]
    codebook.counts.copy_(torch.tensor([5.0, 0.0, threshold, 0.5]))
    logged = int(quantizer.usage()["dead_codes_rvq1"])
    before = codebook.sums.clone()
    codebook.revive(torch.randn(40, 6))
    assert (codebook.sums != before).any(1).sum() == logged == (2 if threshold else 0)


PROCESS = """
import sys
import torch
from espnet_st.codec.quantizer import ResidualVectorQuantizer

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
)
plan = torch.load(f"{folder}/plan.pt")
for name, conf in plan["confs"].items():
    torch.manual_seed(rank)  # what is random is the first process's
    quantizer = ResidualVectorQuantizer(**conf).train()
    for batch in plan["batches"]:
        quantizer(batch[:5] if rank == 0 else batch[5:])
    torch.save(quantizer.state_dict(), f"{folder}/{name}{rank}.pt")
torch.distributed.destroy_process_group()  # its threads would abort the exit
"""


def test_two_processes_have_the_codebooks_of_one(tmp_path):
    """On unequal shares of a batch, k-means and reviving included."""
    torch.manual_seed(5)
    conf = {"dimension": 6, "n_q": 2, "codebook_size": 16}
    confs = {
        "kept": conf | {"dead_code_threshold": 0.0},
        "revived": conf | {"dead_code_threshold": 1.0},
    }
    # Few clusters in the first batch and a mean that moves: entries die.
    batches = [torch.randn(8, 6, 10) + step for step in range(6)]
    torch.save({"confs": confs, "batches": batches}, tmp_path / "plan.pt")
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(tmp_path)])
        for rank in range(2)
    ]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    for name, conf in confs.items():
        torch.manual_seed(0)
        alone = ResidualVectorQuantizer(**conf).train()
        for batch in batches:
            alone(batch)
        dead = any((layer.counts < 1).any() for layer in alone.layers)
        assert dead == (name == "kept")
        first, second = (torch.load(tmp_path / f"{name}{rank}.pt") for rank in (0, 1))
        for key, value in alone.state_dict().items():
            assert torch.equal(first[key], second[key]), key
            torch.testing.assert_close(first[key], value, rtol=1e-5, atol=1e-6)
