"""Signals in chunks and batches: the output is that of each whole signal alone."""

import pytest
import torch

from espnet_st.codec import lstm as codec_lstm
from espnet_st.codec.chunks import (
    BatchLayer,
    Chunk,
    FrameLayer,
    StreamLayer,
    StreamState,
    join_chunks,
    run_layers,
    split_signals,
)
from espnet_st.codec.generator import Generator
from espnet_st.codec.lstm import ResidualLSTM
from espnet_st.kernels import lstm, lstm_steps

SMALL = {
    "seanet": {
        "encoder_conf": {"n_filters": 4},
        "decoder_conf": {"n_filters": 4},
    },
    "snake": {
        "encoder_conf": {"n_filters": 4, "activation": "snake", "bidirectional": False},
        "decoder_conf": {"n_filters": 4, "activation": "snake", "lstm_layers": 0},
    },
    "causal": {
        "encoder_conf": {"n_filters": 4, "causal": True, "bidirectional": False},
        "decoder_conf": {"n_filters": 4, "causal": True},
    },
    "odd": {
        "encoder_conf": {
            "n_filters": 2,
            "strides": (3, 5, 7),
            "n_residual_layers": 3,
            "dilation_base": 3,
            "residual_kernel_size": 5,
            "lstm_layers": 1,
            "causal": True,
        },
        "decoder_conf": {
            "n_filters": 3,
            "strides": (3, 5, 7),
            "n_residual_layers": 2,
            "dilation_base": 3,
            "kernel_size": 5,
            "lstm_layers": 3,
        },
    },
    "spectral": {
        "encoder": "spectral",
        "decoder": "spectral",
        "encoder_conf": {"channels": 32, "hidden": 32, "n_mels": 20},
        "decoder_conf": {"channels": 32, "hidden": 32, "lstm_layers": 1},
    },
}
LENGTHS = [1, 2, 5, 319, 320, 321, 700, 5000, 9999, 16000]


@pytest.fixture(scope="module", params=SMALL)
def generator(request):
    torch.manual_seed(0)
    generator = Generator(
        16000,
        24,
        8,
        quantizer_conf={"codebook_size": 16, "n_q": 3},
        **SMALL[request.param],
    )
    generator.eval().requires_grad_(False)
    # Codebooks that lie where the latent frames do, and without near ties.
    latent = generator.encoder(torch.randn(4, 1, 8000))
    mean, spread = latent.mean((0, 2)), latent.std((0, 2))
    for number, layer in enumerate(generator.quantizer.layers):
        layer.entries.copy_(spread * torch.randn(16, 24) + mean * (number == 0))
    return generator


def run_batched(run, signals, size):
    """Run signals together, in chunks of `size`."""
    states = [StreamState() for _ in signals]
    batches = split_signals(signals, size)
    return join_chunks([out for batch in batches for out in run(batch, states)])


def test_ragged_signals_together_give_what_each_gives_alone(generator):
    wavs = [torch.randn(length) for length in LENGTHS]
    codes = run_batched(generator.encode_chunks, wavs, 3000)
    decoded = run_batched(generator.decode_chunks, codes, 9)
    assert len(codes[-1][0].unique()) > 4
    for wav, own, out in zip(wavs, codes, decoded, strict=True):
        assert torch.equal(own, run_batched(generator.encode_chunks, [wav], 3000)[0])
        assert torch.equal(own, generator.encode(wav[None, None])[:, 0])
        assert torch.equal(out, run_batched(generator.decode_chunks, [own], 9)[0])
        whole = generator.decode(own[:, None])[0, 0]
        assert out.shape == (own.shape[1] * generator.hop_length,)
        torch.testing.assert_close(out, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_chunks_of_any_size_join_to_the_whole(generator, seed):
    torch.manual_seed(seed)
    layers = generator.encoder.layers
    for length in (1, 37, 2000, 7777):
        wav = torch.randn(1, 1, length)
        sizes = random_sizes(length)
        found = run_sizes(layers, wav, sizes)
        expected = generator.encoder(wav)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        sizes = random_sizes(expected.shape[-1])
        found = run_sizes(generator.decoder.layers, expected, sizes)
        expected = generator.decoder(expected)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def random_sizes(length):
    """Sizes from 0 on that add up to `length`."""
    cuts = torch.randint(length + 1, (6,)).sort()[0].tolist()
    return [stop - start for start, stop in zip([0, *cuts], [*cuts, length])]


def run_sizes(layers, signal, sizes):
    state = StreamState()
    chunks = [Chunk(x, False) for x in signal.split(sizes, -1)]
    chunks[-1] = Chunk(chunks[-1].values, True)
    made = [out for one in chunks for out in run_layers(layers, [one], [state])]
    assert [chunk.is_last for (chunk,) in made] == [False] * (len(made) - 1) + [True]
    return join_chunks(made)[0]


def test_each_layer_declares_one_kind(generator):
    for layer in [*generator.encoder.layers, *generator.decoder.layers]:
        kinds = [isinstance(layer, k) for k in (FrameLayer, StreamLayer, BatchLayer)]
        assert sum(kinds) == 1, layer


def test_states_are_all_that_is_remembered(generator):
    """Two signals take turns through the same layers."""
    wavs = torch.randn(2, 1, 1, 4000)
    layers = generator.encoder.layers
    alone = [run_sizes(layers, wav, [1700, 1300, 1000]) for wav in wavs]
    states, found = [StreamState(), StreamState()], [[], []]
    for start, stop in ((0, 1700), (1700, 3000), (3000, 4000)):
        for wav, state, own in zip(wavs, states, found, strict=True):
            chunk = Chunk(wav[..., start:stop], stop == 4000)
            own += run_layers(layers, [chunk], [state])
    for own, expected in zip(found, alone, strict=True):
        assert torch.equal(join_chunks(own)[0], expected)


def make_lstm(layers, bidirectional, memory=0.0):
    torch.manual_seed(0)
    module = ResidualLSTM(6, layers, bidirectional).eval().requires_grad_(False)
    for name, bias in module.lstm.named_parameters():
        if name.startswith("bias_hh"):
            bias[6:12] += memory  # of the forget gate
    return module


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("span", "columns"), [(4, (16,)), (128, (16,)), (5, (2,)), (128, (1,))]
)
def test_lstm_rows_are_torchs_lstm(layers, bidirectional, span, columns, monkeypatch):
    """Whatever the blocks of frames, and however many columns share the sequences."""
    monkeypatch.setattr(lstm_steps, "SPAN", span)
    monkeypatch.setattr(lstm, "COLUMNS", columns)
    module = make_lstm(layers, bidirectional)
    items = [torch.randn(length, 6) for length in (1, 9, 4, 12, 9)]
    width = layers * (2 if bidirectional else 1)
    states = torch.randn(2, width, len(items), 6)
    found, ends = module.rows(items, states)
    for i, item in enumerate(items):
        expected, end = module.lstm(item, states[:, :, i].unbind())
        skip = item.repeat(1, module.directions)
        torch.testing.assert_close(found[i], expected + skip, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ends[:, :, i], torch.stack(end))


@pytest.mark.parametrize("memory", [0.0, 4.0, 20.0])
def test_windows_of_a_long_signal_read_as_one(memory, monkeypatch):
    """Even when the LSTM forgets so little that every window matters to all."""
    monkeypatch.setattr(codec_lstm, "WINDOW", 8)
    module = make_lstm(2, True, memory)
    signals = [torch.randn(1, 6, length) for length in (100, 3, 17, 40)]
    found = run_batched(module.step_batch, signals, 5)
    for x, signal in zip(found, signals, strict=True):
        torch.testing.assert_close(x, module(signal), rtol=1e-5, atol=1e-5)
