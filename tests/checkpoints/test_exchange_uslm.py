"""Conversion of USLM releases: files there and back, and what is refused."""

import os

import pytest
import torch
import yaml
from official_uslm import (
    double,
    random_release,
    speak,
    ties,
    token_ids,
    write_release,
)
from tiny import CODEC, save_experiment

from espnet_st.bin.convert import main as convert
from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.espeak import phonemes
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.uslm.decoding.prompts import Prompt

HEADS = 3
N_Q, SIZE = CODEC["quantizer_conf"]["n_q"], CODEC["quantizer_conf"]["codebook_size"]
SPEECH = torch.sin(torch.arange(1600) / 7)


def small_release(**sizes):
    """Tensors of a small release for the codes of the tiny codec."""
    return random_release(**dict(n_q=N_Q, size=SIZE) | sizes)


@pytest.fixture
def release(tmp_path):
    """A release's directory."""
    write_release(tmp_path / "release", small_release())
    return tmp_path / "release"


@pytest.fixture
def codec(tmp_path):
    """A codec's directory."""
    torch.manual_seed(0)
    (tmp_path / "codec").mkdir()
    save_experiment(tmp_path / "codec", Generator(**CODEC), CODEC)
    return tmp_path / "codec"


def run(source, target, *options):
    command = ["--uslm", source, "--output_dir", target, "--n_heads", HEADS, *options]
    convert([str(part) for part in command])
    return target


def edit(exp, **changes):
    """Change options of an experiment's `config.yaml`."""
    config = yaml.safe_load((exp / "config.yaml").read_text()) | changes
    (exp / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_converted_release_speaks_as_the_official_code(release, codec, tmp_path):
    exp = run(release, tmp_path / "exp", "--codec", codec)
    edit(exp, g2p=None)  # phonemes are given, apart by spaces
    tts = Text2Speech.from_pretrained(exp, temperature=0, maxlenratio=2.0)
    out = tts("b ə ː _ c", speech=SPEECH, prompt_text="a b ,", sample_rate=16000)
    prompt = AudioCoding.from_pretrained(codec).encode(SPEECH)
    text = token_ids("a b , _ b ə ː _ c".split())
    expected = speak(double(small_release()), HEADS, text, prompt, most=12)
    assert expected.shape[1] > 3 and torch.equal(out["codes"], expected)
    assert out["wav"].shape == (320 * expected.shape[1],)
    assert out["wav"].isfinite().all()


def test_a_release_speaks_plain_text_without_conversion(codec, tmp_path):
    words = "Hello there.", "A cat!"
    symbols = sorted({"_", *phonemes(" ".join(words))})
    state = small_release(d_model=32, vocab=len(symbols) + 6)
    write_release(tmp_path / "release", state, symbols)
    options = dict(codec=codec, temperature=0, maxlenratio=1.0)
    tts = Text2Speech.from_pretrained(tmp_path / "release", **options)
    out = tts(words[1], speech=SPEECH, prompt_text=words[0], sample_rate=16000)
    prompt = tts.codec.encode(SPEECH)
    text = token_ids(phonemes(" ".join(words)), symbols)
    most = len(phonemes(words[1])) + 1
    expected = speak(double(state), 16, text, prompt, most)
    assert expected.shape[1] > 2 and torch.equal(out["codes"], expected)


def test_conversion_and_back_is_exact(release, tmp_path):
    back = run(run(release, tmp_path / "exp"), tmp_path / "back")
    files = sorted(path.name for path in release.iterdir())
    assert sorted(path.name for path in back.iterdir()) == files
    before, after = (
        torch.load(directory / "USLM.pt", weights_only=True)["model"]
        for directory in (release, back)
    )
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype and torch.equal(after[name], tensor)
    symbols = [path / "unique_text_tokens.k2symbols" for path in (release, back)]
    assert symbols[0].read_bytes() == symbols[1].read_bytes()
    for name, first in ties(N_Q).items():  # stored once
        assert after[name].data_ptr() == after[first].data_ptr()


def test_espnet_takes_the_experiment_directory(release, tmp_path, tiny):
    exp = run(release, tmp_path / "exp", "--codec", tmp_path)
    from espnet2.tasks.tts import TTSTask

    model, args = TTSTask.build_model_from_file(exp / "config.yaml", exp / "latest.pth")
    state = torch.load(exp / "latest.pth", weights_only=True)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())
    assert (args.token_type, args.g2p, args.odim) == ("phn", "espeak_uslm", N_Q)
    assert "espeak en-us" in (exp / "config.yaml").read_text().split("\n")[0]
    assert yaml.safe_load((exp / "codec.yaml").read_text()) == {"codec": str(tmp_path)}
    pairs = tiny.utterances([(4, 6), (3, 5)], n_q=N_Q, codebook_size=SIZE)
    args.g2p = None
    tokens = TTSTask.build_preprocess_fn(args, train=True)("u", {"text": "a _ ə"})
    assert tokens["text"].tolist() == token_ids(["a", "_", "ə"])[1:-1].tolist()
    loss, _, _ = model.train()(*tiny.collate(pairs))
    loss.backward()
    learnt = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learnt)


def test_an_experiment_becomes_a_release(tmp_path, tiny):
    options = dict(codebook_size=11, d_model=16, n_heads=2, ar_layers=2, nar_layers=2)
    options |= dict(ffn_size=64, nar_prompt="none", text_marks=[1, 3, 2])
    tokens = ["<pad>", "<bos>", "<eos>", "_", "a", "b", "<unk>"]
    model = tiny.build(**options)
    config = dict(tts="uslm", tts_conf=options, odim=4, token_list=tokens)
    config |= {"token_type": "phn"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    state = {f"tts.{key}": tensor for key, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / "3epoch.pth")
    made = run(tmp_path, tmp_path / "made", "--model_file", tmp_path / "3epoch.pth")
    table = (made / "unique_text_tokens.k2symbols").read_text()
    assert table == "_ 0\na 1\nb 2\n"
    official = torch.load(made / "USLM.pt", weights_only=True)["model"]
    text, codes = torch.tensor([1, 4, 3, 5, 2]), torch.randint(11, (4, 6))
    expected = speak(double(official), 2, text, codes, most=10)
    prompt = Prompt(torch.tensor([4]), codes)
    spoken = model.double().synthesize(
        [torch.tensor([5])], [prompt], temperature=0, maxlenratio=5.0
    )
    assert expected.shape[1] > 3 and torch.equal(spoken[0].codes, expected)
    with pytest.raises(ValueError, match="not empty"):
        run(tmp_path, tmp_path / "made", "--model_file", tmp_path / "3epoch.pth")
    edit(tmp_path, tts_conf=options | dict(text_marks=None))
    with pytest.raises(ValueError, match="has <bos>, _ and <eos> around texts"):
        run(tmp_path, tmp_path / "new", "--model_file", tmp_path / "3epoch.pth")
    edit(tmp_path, token_list=["<blank>", *tokens[1:]])
    with pytest.raises(ValueError, match="this token list is another"):
        run(tmp_path, tmp_path / "new", "--model_file", tmp_path / "3epoch.pth")
    assert not (tmp_path / "new").exists()


def test_wrong_tensors_are_listed_by_their_official_names(release, tmp_path):
    path = release / "USLM.pt"
    state = torch.load(path)["model"]

    def refused(message, *options, **changes):
        changed = {k: v for k, v in (state | changes).items() if v is not None}
        torch.save({"model": changed}, path)
        with pytest.raises(ValueError, match=message):
            run(release, tmp_path / "new", *options)
        assert not (tmp_path / "new").exists()

    name = "nar_decoder.layers.1.norm2.project_layer.weight"
    alpha = "ar_text_position.alpha"
    refused(f"2 tensors: missing {alpha}; missing {name}$", **{name: None, alpha: None})
    refused("1 tensors: unexpected ar_text_prenet", ar_text_prenet=torch.ones(1))
    refused(rf"{name} is \(3,\), expected \(48, 24\)$", **{name: torch.ones(3)})
    bos = torch.ones(SIZE + 2, 24)
    table = "ar_audio_embedding.word_embeddings.weight"
    refused(rf"{table} is \(10, 24\), expected \(9, 24\)", **{table: bos})
    deep = "ar_decoder.layers.999999999.norm1.bias"
    refused(r"29 tensors: missing ar_decoder\.layers\.2", **{deep: torch.ones(24)})
    refused("no table ar_predict_layer", **{"ar_predict_layer.weight": torch.ones(())})
    refused("no codec .*none: give its directory", "--codec", tmp_path / "none")
    refused("width 24 cannot have 5 attention heads", "--n_heads", 5)
    tied = "nar_predict_layers.0.weight"
    refused(f"{tied} and .* differ", **{tied: torch.zeros(SIZE, 24)})


def test_wrong_files_are_refused(release, tmp_path):
    path = release / "USLM.pt"
    torch.save(torch.load(path)["model"], path)
    with pytest.raises(ValueError, match="holds no 'model': is it an official"):
        run(release, tmp_path / "new")
    torch.save({"model": {"a": 1}}, path)
    with pytest.raises(ValueError, match="not a state dict"):
        run(release, tmp_path / "new")
    path.write_bytes(b"none")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        run(release, tmp_path / "new")
    symbols = release / "unique_text_tokens.k2symbols"
    symbols.write_bytes(b"_ 0\n\xff 1\n")
    with pytest.raises(ValueError, match="k2symbols: .*utf-8"):
        run(release, tmp_path / "new")
    symbols.rename(release / "text.txt")
    with pytest.raises(ValueError, match="expected one file of text tokens"):
        run(release, tmp_path / "new")
    with pytest.raises(ValueError, match="is this the directory of a trained model"):
        run(tmp_path / "none", tmp_path / "new")
    with pytest.raises(SystemExit):
        convert(["--output_dir", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_hostile_checkpoint_is_not_run(release, codec, tmp_path):
    path, trace = release / "USLM.pt", tmp_path / "was_run"
    torch.save({"model": small_release(), "extra": Hostile(trace)}, path)
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        run(release, tmp_path / "new")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        Text2Speech.from_pretrained(release, codec=codec)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # it was hostile indeed
