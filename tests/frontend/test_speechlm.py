"""Codes in ESPnet's SpeechLM, on a trained codec and real speech."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_st.bin.convert import main as convert
from espnet_st.inference.audio_coding import AudioCoding

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "tests/trained"
RATE, HOP, N_Q, SIZE = 16000, 320, 8, 256
AUDIO = "espnet2.speechlm.model.speechlm.multimodal_io.audio"


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    """A trained codec's experiment directory, with all options of ESPnet's task."""
    directory = tmp_path_factory.mktemp("codec") / "exp"
    command = ["--codec", str(TRAINED / "codec.zip"), "--to", "espnet"]
    convert([*command, "--output_dir", str(directory)])
    return directory


@pytest.fixture(scope="module")
def codec(exp):
    return AudioCoding.from_pretrained(exp)


@pytest.fixture(scope="module")
def model(exp):
    """The codec as ESPnet's SpeechLM takes it: its `AudioCoding`'s `model`."""
    from espnet_st.registry import register

    register()
    from espnet2.bin.gan_codec_inference import AudioCoding as Stock

    return Stock(exp / "config.yaml", exp / "latest.pth").model


@pytest.fixture(scope="module")
def wavs():
    """Speech of three lengths, and a part that ends within a frame."""
    paths = sorted((TRAINED / "prompts").glob("*.flac"))[:3]
    read = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in paths]
    return [*read, read[0][: 20 * HOP + 7]]


def test_espnets_model_has_our_codes_of_one_signal(model, codec, wavs):
    for wav in wavs:
        codes = codec.encode(wav)
        for form in (wav, wav[None], wav[None, None]):
            with torch.no_grad():
                found = model.encode(form)
            assert torch.equal(found[:, 0], codes)


def test_padding_changes_codes_and_lengths_keep_them(model, codec, wavs):
    batch = pad_sequence(wavs, batch_first=True)
    lengths = torch.tensor([len(wav) for wav in wavs])
    alone = [codec.encode(wav) for wav in wavs]
    with torch.no_grad():
        padded, kept = model.encode(batch), model.encode(batch, lengths=lengths)
    changed = 0
    for i, codes in enumerate(alone):
        frames = codes.shape[1]
        assert torch.equal(kept[:, i, :frames], codes)
        assert not kept[:, i, frames:].any()
        differ = (padded[:, i, :frames] != codes).any(0).nonzero()[:, 0]
        changed += len(differ)
        # Frames near the end, and no others.
        assert not len(differ) or differ.min() > frames - 60
    assert changed > 3


@pytest.mark.parametrize("lengths", [[5], [5, 0], [5, 9000]])
def test_wrong_lengths_are_refused(model, lengths):
    with pytest.raises(ValueError, match=r"lengths are .* expected 2 of 1 to 640"):
        model.encode(torch.randn(2, 640), lengths=torch.tensor(lengths))


@pytest.fixture(scope="module")
def kinds(exp, model):
    """Makes an IO of ESPnet and one of ours with the same options."""
    import espnet2

    # Looking for the module would import all of SpeechLM.
    if not (
        Path(espnet2.__file__).parents[1] / f"{AUDIO.replace('.', '/')}.py"
    ).exists():
        pytest.skip("this ESPnet's SpeechLM has no discrete audio; 202611 has it")
    pytest.importorskip("liger_kernel", reason="ESPnet's SpeechLM needs liger-kernel")
    audio = importlib.import_module(AUDIO)
    from espnet_st.frontend.speechlm import SpeechLMAudioIO

    def make(**options):
        with pytest.MonkeyPatch.context() as patch:
            files = {"train_config": exp / "config.yaml"}
            files |= {"model_file": exp / "latest.pth"}
            # A zoo's name would be downloaded; what is loaded then is the real model.
            fetch = "espnet2.bin.gan_codec_inference.download_pretrained"
            patch.setattr(fetch, lambda name: files)
            stock = audio.DiscreteAudioIO("ESPnet", "name", **options)
            other = SpeechLMAudioIO("ESPnet", "name", **options)
        return stock, SpeechLMAudioIO("SpeechTokenizer", str(exp), **options), other

    return make


def batch_of(io, wavs):
    """A batch as ESPnet's collation makes it."""
    from espnet2.speechlm.utils.data import pad_list

    features = [io.preprocess((wav[None].numpy(), RATE))[1] for wav in wavs]
    data, lengths = pad_list([values for _, values in features])
    return data, lengths, [frames for frames, _ in features]


def test_tokens_are_espnets(kinds):
    for options in ({}, {"codec_max_token_per_frame": 3, "delay_interleave": True}):
        stock, ours, other = kinds(**options)
        n_q = options.get("codec_max_token_per_frame", N_Q)
        assert ours.get_vocabulary() == stock.get_vocabulary()
        assert ours.get_vocabulary()[:2] == ["<codec_layer0_pad>", "<codec_layer0_0>"]
        assert ours.get_vocabulary()[-1] == f"<codec_layer{n_q - 1}_{SIZE - 1}>"
        assert ours.get_stream_interval() == stock.get_stream_interval()
        assert ours.get_stream_weight() == stock.get_stream_weight()
        assert ours.num_stream() == stock.num_stream() == n_q
        for name in ("sample_rate", "frame_shift", "frame_per_second"):
            assert getattr(ours, name) == getattr(stock, name)
        # Another choice stays ESPnet's own.
        assert type(other.codec_model) is type(stock.codec_model)


@pytest.mark.parametrize("delay", [False, True])
def test_a_batch_has_the_tokens_of_each_signal_alone(kinds, codec, wavs, delay):
    stock, ours, other = kinds(delay_interleave=delay)
    data, lengths, frames = batch_of(ours, wavs)
    found = ours.encode_batch(data, lengths)
    padded = stock.encode_batch(*batch_of(stock, wavs)[:2])
    assert found.shape == padded.shape and found.dtype == padded.dtype
    assert torch.equal(other.encode_batch(*batch_of(other, wavs)[:2]), padded)
    pads = torch.tensor([start for start, _ in ours.get_stream_interval()])
    for i, wav in enumerate(wavs):
        assert frames[i] == ours.find_length((wav[None].numpy(), RATE))
        assert frames[i] == stock.find_length((wav[None].numpy(), RATE))
        alone = stock.encode_batch(*batch_of(stock, [wav])[:2])[0]
        assert len(alone) == frames[i]
        assert torch.equal(found[i, : frames[i]], alone)
        assert (found[i, frames[i] :] == pads).all()
    assert not torch.equal(found[1, : frames[1]], padded[1, : frames[1]])
    codes = codec.encode(wavs[3][: 20 * HOP])
    tokens = codes + pads[:, None] + 1
    for q in range(N_Q):
        row = found[3, delay * q : delay * q + 20, q]
        assert torch.equal(row, tokens[q])
        names = [ours.get_vocabulary()[token] for token in row[:2]]
        assert names == [f"<codec_layer{q}_{code}>" for code in codes[q, :2].tolist()]


def test_a_language_model_in_half_precision_changes_nothing(kinds, wavs):
    """As ESPnet's trainers do: the model and all floats of a batch in bfloat16."""
    from espnet2.speechlm.utils.data import to_device

    _, ours, _ = kinds()
    data, lengths, _ = batch_of(ours, wavs)
    tokens = ours.encode_batch(data, lengths)
    model = torch.nn.ModuleDict({"discrete_audio": ours}).to(torch.bfloat16).train()
    assert not list(model.parameters()) and not model.state_dict()
    half = to_device({"feats": data, "lengths": lengths}, "cpu", torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours.encode_batch(half["feats"], half["lengths"]), tokens)
    floats = pad_sequence(wavs, batch_first=True)[..., None]
    assert torch.equal(ours.encode_batch(floats, lengths), tokens)
    rounded = ours.encode_batch(floats.bfloat16(), lengths)
    assert not torch.equal(rounded, tokens)  # what ESPnet's own way would see
    dummy = ours.dummy_forward(torch.zeros(1, dtype=torch.bfloat16))
    assert dummy.shape == (1, 20, N_Q)


@pytest.mark.parametrize("delay", [False, True])
def test_tokens_become_speech_again(kinds, codec, wavs, delay):
    stock, ours, _ = kinds(delay_interleave=delay)
    data, lengths, frames = batch_of(ours, wavs)
    tokens = ours.encode_batch(data, lengths)
    audio, samples, rate = ours.decode_batch(tokens, torch.tensor(frames))
    assert rate == RATE
    whole = [wav[: len(wav) // HOP * HOP] for wav in wavs]
    assert samples.tolist() == [len(wav) for wav in whole]
    for i, wav in enumerate(whole):
        expected = codec.decode(codec.encode(wav))
        torch.testing.assert_close(audio[i, 0, : len(wav)], expected)
        assert not audio[i, 0, len(wav) :].any()
        one = tokens[i : i + 1, : frames[i]], torch.tensor([frames[i]])
        with torch.no_grad():
            theirs, count, _ = stock.decode_batch(*one)
        assert count.tolist() == [len(wav)]
        torch.testing.assert_close(theirs[0, 0], expected, rtol=1e-4, atol=1e-5)
    one = ours.decode_batch(tokens[:1], torch.tensor([0]))
    assert one[0].shape == (1, 1, 0) and one[1].tolist() == [0]


def test_signals_without_a_whole_frame_have_no_token(kinds, wavs):
    _, ours, _ = kinds()
    pads = torch.tensor([start for start, _ in ours.get_stream_interval()])
    short = [wavs[3][:100], wavs[3]]
    data, lengths, frames = batch_of(ours, short)
    assert frames == [0, 20]
    found = ours.encode_batch(data, lengths)
    assert (found[0] == pads).all()
    assert torch.equal(found[1:], ours.encode_batch(*batch_of(ours, short[1:])[:2]))
    assert ours.encode_batch(data[:1], lengths[:1]).shape == (1, 0, N_Q)


def test_bad_input_is_refused(exp, kinds, tmp_path):
    _, ours, _ = kinds()
    make = type(ours)
    with pytest.raises(ValueError, match="needs codec_hf_model_tag: a directory"):
        make("SpeechTokenizer")
    with pytest.raises(ValueError, match=r"no .*config\.yaml"):
        make("SpeechTokenizer", str(tmp_path))
    with pytest.raises(ValueError, match="codec_max_token_per_frame is 0"):
        make("SpeechTokenizer", str(exp), codec_max_token_per_frame=0)
    with pytest.raises(ValueError, match="2 channels; expected one"):
        ours.encode_batch(torch.zeros(1, 640, 2), torch.tensor([640]))
    data, lengths, _ = batch_of(ours, [torch.full((640,), float("nan"))])
    with pytest.raises(ValueError, match="NaN or infinite"):
        ours.encode_batch(data, lengths)


def test_workers_get_a_copy_without_the_codec(kinds, wavs):
    _, ours, _ = kinds()
    worker = ours.copy_for_worker()
    assert worker.codec_model is None and ours.codec_model is not None
    wav = wavs[0][None].numpy()
    for found, expected in zip(
        worker.preprocess((wav, RATE))[1:], ours.preprocess((wav, RATE))[1:]
    ):
        if isinstance(found, tuple):
            assert found[0] == expected[0]
            found, expected = found[1], expected[1]
        np.testing.assert_array_equal(found, expected)


def language_model(directory):
    """A language model of two words, in the form of Hugging Face."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    words = Tokenizer(models.WordLevel({"?": 0, "hello": 1, "there": 2}, "?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(directory)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "head_dim": 8}
    sizes |= {"num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen3Config(vocab_size=3, num_key_value_heads=2, **sizes)
    Qwen3ForCausalLM(config).save_pretrained(directory)


def test_a_job_of_espnets_puts_the_codes_into_its_sequences(
    kinds, exp, codec, wavs, tmp_path
):
    """Its preprocessing, collation and model, in bfloat16 as it trains."""
    from espnet2.speechlm.model.speechlm.speechlm_job import SpeechLMJobTemplate
    from espnet2.speechlm.utils.data import to_device

    language_model(tmp_path)
    audio = {"codec_choice": "SpeechTokenizer", "codec_hf_model_tag": str(exp)}
    config = {
        "multimodal_io": {
            "text": {"tokenizer_name": str(tmp_path)},
            "discrete_audio": audio | {"delay_interleave": True},
        },
        "preprocessor": {
            "audio_input": "discrete_audio",
            "audio_output": "discrete_audio",
            "loss_region": "assistant",
        },
        "data_loading": {"batchfy_method": "bucket"},
        "model": {
            "model_choice": "parallel",
            "model_hf_tag": str(tmp_path),
            "model_conf": {"attn_implementation": "eager"},
        },
    }
    job = SpeechLMJobTemplate(config, is_train=True)
    items = [
        (
            ("text_to_audio", "corpus", str(i)),
            {"text1": "hello there", "audio1": (wav[None].numpy(), RATE)},
        )
        for i, wav in enumerate(wavs)
    ]
    batch = job.build_preprocessor().collate_fn(items)
    job.is_train = False  # training insists on flash attention, which needs a GPU
    model = job.build_model().to(torch.bfloat16).eval()
    batch = to_device(batch, "cpu", torch.bfloat16)
    with torch.no_grad():
        embedded = model._embed(batch["seqs"], batch)
    assert embedded.dtype == torch.bfloat16 and embedded.isfinite().all()
    assert not any("codec" in key for key in model.state_dict())
    pads = [start for start, _ in job.vocab_meta["vocab_intervals"]["discrete_audio"]]
    for wav, place in zip(wavs, batch["discrete_audio_indices"].tolist(), strict=True):
        codes = codec.encode(wav[: len(wav) // HOP * HOP])
        row, start, count = place
        assert count == codes.shape[1] + N_Q - 1
        found = batch["seqs"][row, start : start + count]
        for q in range(N_Q):
            end = q + codes.shape[1]
            assert torch.equal(found[q:end, q], codes[q] + pads[q] + 1)
            assert (torch.cat([found[:q, q], found[end:, q]]) == pads[q]).all()


@pytest.mark.parametrize(
    "first",
    [
        "from espnet2.speechlm.model.speechlm import speechlm_job",
        "import espnet_st.frontend.speechlm",
    ],
)
def test_the_plugin_adds_the_choice_to_espnets_jobs(kinds, first):
    code = (
        "from espnet_st.registry import register\nregister()\n"
        f"{first}\n"
        "from espnet2.speechlm.model.speechlm.speechlm_job import _multimodal_ios\n"
        "from espnet_st.frontend.speechlm import SpeechLMAudioIO\n"
        "assert _multimodal_ios['discrete_audio'] is SpeechLMAudioIO\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
