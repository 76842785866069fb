"""ESPnet's recipes `codec1` and `tts1` with this plugin's models, call by call."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from replay import (
    CODEC_TRAINING,
    COMMON,
    PYTHON,
    RECIPES,
    TEXTS,
    USLM_CONF,
    make_corpus,
    read_calls,
    recorded,
    run,
    split_keys,
    write_yaml,
)

from espnet_st.codes import from_disk
from espnet_st.inference.audio_coding import AudioCoding


def both(path):
    """Where training and validation find the same data."""
    return {f"{part}_data_path_and_name_and_type": path for part in ("train", "valid")}


def shapes(pattern):
    return {f"{part}_shape_file": pattern.format(part) for part in ("train", "valid")}


def launched(recipe, number, exp, training):
    """The words by which a recipe trains: through ESPnet's launcher."""
    options = {
        "cmd": f"run.pl --name {exp}/train.log",
        "log": f"{exp}/train.log",
        "ngpu": 0,
        "num_nodes": 1,
        "init_file_prefix": f"{exp}/.dist_init_",
        "multiprocessing_distributed": "true",
    }
    return [*recorded(recipe, number, options), "--", *PYTHON, *training]


@pytest.fixture(scope="module")
def codec1(tmp_path_factory):
    """A directory in which all stages of `codec1` have run, decoding in two ways."""
    work = tmp_path_factory.mktemp("codec1")
    make_corpus(work)
    split_keys(work, "stats/logdir")
    write_yaml(work / "train.yaml", CODEC_TRAINING)
    common = {"config": "train.yaml", "use_preprocessor": "true"}
    common |= both("wav.scp,audio,sound")
    calls = []
    for job in (1, 2):
        collect = {"collect_stats": "true", "output_dir": f"stats/logdir/stats.{job}"}
        collect |= shapes(f"stats/logdir/{{}}.{job}.scp")
        calls.append(recorded("codec1", 0, common | collect))
    inputs = [f"stats/logdir/stats.{job}" for job in (1, 2)]
    gather = {"skip_sum_stats": True, "input_dir": inputs, "output_dir": "stats"}
    calls.append(recorded("codec1", 1, gather))
    training = {"resume": "true", "fold_length": 256000, "output_dir": "exp"}
    training |= shapes("stats/{}/audio_shape")
    training = recorded("codec1", 3, common | training)
    calls.append(launched("codec1", 2, "exp", training))
    decode = {
        "ngpu": 0,
        "data_path_and_name_and_type": "wav.scp,audio,sound",
        "model_file": "exp/train.total_count.best.pth",
        "train_config": "exp/config.yaml",
    }
    for job in (1, 2):
        part = {"key_file": f"stats/logdir/keys.{job}.scp"}
        part |= {"output_dir": f"out/output.{job}"}
        calls.append(recorded("codec1", 4, decode | part))
    part = {"key_file": "wav.scp", "output_dir": "batches", "batch_size": 3}
    calls.append(recorded("codec1", 4, decode | part, extra=["batch_size"]))
    part = {"key_file": "wav.scp", "output_dir": "stock"}
    options = recorded("codec1", 4, decode | part)[2:]
    # What `python -m espnet_st` would not run: ESPnet's own function.
    code = f"from espnet2.bin.gan_codec_inference import main; main({options})"
    calls.append(["-c", code])
    run(work, *calls)
    return work


def read_codes(output):
    pairs = [line.split() for line in (output / "codec/codec.scp").open()]
    return {key: np.load(output.parent / path) for key, path in pairs}


def test_codec1_trains_and_decodes(codec1):
    assert (codec1 / "stats/train/audio_shape").read_text().count("\n") == 4
    codec = AudioCoding.from_pretrained(codec1 / "exp")
    seen = 0
    for job in (1, 2):
        for line in (codec1 / f"out/output.{job}/codec/codec.scp").open():
            key, path = line.split()
            wav, _ = soundfile.read(codec1 / f"{key}.wav", dtype="float32")
            codes = np.load(codec1 / path)
            assert codes.shape == (3, 1, -(-len(wav) // 320))
            assert np.array_equal(codes[:, 0], codec.encode(wav))
            made, rate = soundfile.read(codec1 / f"out/output.{job}/wav/{key}.wav")
            assert rate == 16000 and len(made) == codes.shape[2] * 320
            seen += 1
    assert seen == len(TEXTS)


def test_batches_change_neither_codes_nor_sound(codec1):
    together = read_codes(codec1 / "batches")
    assert list(together) == list(TEXTS)
    for line in "".join(
        (codec1 / f"out/output.{job}/codec/codec.scp").read_text() for job in (1, 2)
    ).splitlines():
        key, path = line.split()
        assert np.array_equal(together[key], np.load(codec1 / path))
        wav = Path(path).parents[1] / f"wav/{key}.wav"
        assert (codec1 / f"batches/wav/{key}.wav").read_bytes() == (
            codec1 / wav
        ).read_bytes()


def test_espnets_own_function_agrees(codec1):
    for key, codes in read_codes(codec1 / "stock").items():
        assert np.array_equal(codes, np.load(codec1 / f"batches/codec/{key}.npy"))
        pair = [
            soundfile.read(codec1 / f"{name}/wav/{key}.wav", dtype="int16")[0]
            for name in ("stock", "batches")
        ]
        # It decodes whole signals, ours chunks: the last bit may be rounded otherwise.
        assert np.abs(np.subtract(*pair, dtype=int)).max() <= 1


@pytest.fixture(scope="module")
def tts1(tmp_path_factory, exp):
    """A directory in which all stages of `tts1` have run, from raw audio."""
    work = tmp_path_factory.mktemp("tts1")
    make_corpus(work)
    split_keys(work, "stats/logdir")
    conf = {
        "tts": "uslm",
        "tts_conf": USLM_CONF | {"speech_prompt": True},
        "feats_extract_conf": {"codec": str(exp)},
        "best_model_criterion": [["train", "loss", "min"]],
    }
    write_yaml(work / "train.yaml", COMMON | conf)
    text = {
        "token_type": "char",
        "non_linguistic_symbols": "none",
        "cleaner": "none",
        "g2p": "none",
    }
    tokens = {
        "input": "text",
        "output": "tokens.txt",
        "write_vocabulary": "true",
        "add_symbol": ["<blank>:0", "<unk>:1", "<sos/eos>:-1"],
    }
    calls = [[*recorded("tts1", 0, text | tokens), "-f", "2-"]]
    common = {"config": "train.yaml", "use_preprocessor": "true"} | text
    common |= {"token_list": "tokens.txt", "feats_extract": "speechtokenizer"}
    common |= both(["text,text,text", "wav.scp,speech,sound"])
    # What the recipe says of a spectrogram, with `--n_shift 320`.
    sizes = ["n_fft=1024", "hop_length=320", "win_length=null"]
    common["feats_extract_conf"] = sizes
    pitch = ["fs=16000", *sizes[:2], "f0max=400", "f0min=80"]
    for job in (1, 2):
        collect = {
            "collect_stats": "true",
            "write_collected_feats": "false",
            "normalize": "none",
            "pitch_normalize": "none",
            "energy_normalize": "none",
            "pitch_extract_conf": pitch,
            "energy_extract_conf": ["fs=16000", *sizes],
            "output_dir": f"stats/logdir/stats.{job}",
        }
        collect |= shapes(f"stats/logdir/{{}}.{job}.scp")
        calls.append(recorded("tts1", 1, common | collect))
    inputs = [f"stats/logdir/stats.{job}" for job in (1, 2)]
    calls.append(recorded("tts1", 2, {"input_dir": inputs, "output_dir": "stats"}))
    training = {
        "normalize": "none",
        "resume": "true",
        "fold_length": [150, 800 * 320],
        "output_dir": "exp",
        "train_shape_file": ["stats/train/text_shape", "stats/train/speech_shape"],
        "valid_shape_file": ["stats/valid/text_shape", "stats/valid/speech_shape"],
    }
    training = recorded("tts1", 4, common | training)
    calls.append(launched("tts1", 3, "exp", training))
    for job in (1, 2):
        decode = {
            "ngpu": 0,
            "data_path_and_name_and_type": ["text,text,text", "wav.scp,speech,sound"],
            "key_file": f"stats/logdir/keys.{job}.scp",
            "model_file": "exp/train.loss.ave.pth",
            "train_config": "exp/config.yaml",
            "output_dir": f"out/output.{job}",
            "vocoder_file": "none",
        }
        calls.append(recorded("tts1", 5, decode))
    lines = (work / "wav.scp").read_text().split()
    paths = reversed(lines[1::2])
    others = "".join(f"{key} {path}\n" for key, path in zip(lines[::2], paths))
    (work / "others.scp").write_text(others)
    other = {
        "data_path_and_name_and_type": ["text,text,text", "others.scp,speech,sound"]
    }
    other |= {"output_dir": "other", "key_file": "stats/logdir/keys.1.scp"}
    calls.append(recorded("tts1", 5, decode | other))
    run(work, *calls)
    return work


def test_tts1_trains_on_raw_audio(tts1, exp):
    state = torch.load(tts1 / "exp/latest.pth", weights_only=True)
    assert state and all(key.startswith("tts.") for key in state)
    saved = yaml.safe_load((tts1 / "exp/config.yaml").read_text())
    assert saved["feats_extract_conf"]["codec"] == str(exp)
    stats = np.load(tts1 / "stats/train/feats_stats.npz")
    frames = sum(-(-(8000 + 999 * number) // 320) for number in range(4))
    assert stats["count"] == frames and stats["sum"].shape == (3,)


def test_tts1_speaks_without_a_vocoder_option(tts1, codec):
    for number, key in enumerate(TEXTS):
        output = tts1 / f"out/output.{number // 2 + 1}"
        codes = from_disk(np.load(output / f"norm/{key}.npy"))
        wav, rate = soundfile.read(output / f"wav/{key}.wav", dtype="int16")
        assert rate == 16000 and len(codes) == 3
        expected = codec.decode(codes)
        assert len(wav) == len(expected) == codes.shape[1] * 320
        assert np.abs(wav - 32768 * expected.clamp(-1, 1).numpy()).max() <= 1


def test_the_speech_of_a_text_is_its_voice(tts1):
    pairs = [
        [np.load(tts1 / f"{name}/norm/{key}.npy") for name in ("out/output.1", "other")]
        for key in ("u0", "u1")
    ]
    # A longer voice leaves less room below `max_frames`.
    pairs = [[one[: min(map(len, pair))] for one in pair] for pair in pairs]
    for own, other in pairs:
        assert np.array_equal(own[:, 0], other[:, 0])  # the AR model has no prompt
    assert any(not np.array_equal(*pair) for pair in pairs)


SCRIPT = """
some_task=asr
python=python3
    _opts=
    _opts+="--config ${config} "  # and a remark
    ${run} JOB=1:2 log \\
        ${python} -m "espnet2.bin.${some_task}_train" \\
            --collect_stats true \\
            --output_dir "${dir}" ${_opts}
    _opts=""
    # ${python} -m espnet2.bin.pack asr --outpath x
    ${python} -m espnet2.bin.launch --cmd "x --name y" --ngpu 1 -- \\
        ${python} -m espnet2.bin.asr_train --resume true
"""


def test_calls_of_a_script_are_found():
    assert read_calls(SCRIPT) == [
        ("espnet2.bin.asr_train", {"collect_stats", "output_dir"}, {"config"}),
        ("espnet2.bin.launch", {"cmd", "ngpu"}, set()),
        ("espnet2.bin.asr_train", {"resume"}, set()),
    ]


@pytest.mark.skipif("ESPNET_ROOT" not in os.environ, reason="ESPNET_ROOT is not set")
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_recorded_is_what_the_recipe_does(recipe):
    script = Path(os.environ["ESPNET_ROOT"], RECIPES[recipe]["script"]).read_text()
    found = iter(read_calls(script))
    for call in RECIPES[recipe]["calls"]:
        options = {*call["options"]}
        assert any(
            name == call["command"] and always <= options <= always | maybe
            for name, always, maybe in found
        ), f"{recipe} calls {call['command']} otherwise"
