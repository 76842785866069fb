"""ESPnet's discrete FastSpeech2 predicts our semantic codes, and we decode them."""

import numpy as np
import pytest
import soundfile
import torch
from replay import COMMON, TEXTS, make_corpus, run, words, write_yaml

pytest.importorskip("pyworld", reason="ESPnet's pitch extractor needs it")
SMALL = {
    "adim": 8,
    "aheads": 2,
    "elayers": 1,
    "eunits": 8,
    "dlayers": 1,
    "dunits": 8,
    "postnet_layers": 0,
    "duration_predictor_chans": 8,
    "energy_predictor_chans": 8,
    "pitch_predictor_chans": 8,
    "use_masking": True,
}
CONFIG = COMMON | {
    "tts_conf": SMALL,
    "src_token_type": "char",
    "cleaner": None,
    "g2p": None,
    "pitch_extract": "dio",
    "pitch_extract_conf": {"fs": 16000, "n_fft": 1024, "hop_length": 320},
    "energy_extract": "energy",
    "energy_extract_conf": {"fs": 16000, "n_fft": 1024, "hop_length": 320},
    "best_model_criterion": [["train", "loss", "min"]],
    "src_token_list": "tokens",
    "tgt_token_list": "codes",
}
TOKENS = ["<blank>", "<unk>", "A", "B", "<space>", "<sos/eos>"]


@pytest.fixture(scope="module")
def tts2(tmp_path_factory, exp, codec):
    """A directory in which `tts2_train` and `tts2_inference` have run."""
    work = tmp_path_factory.mktemp("tts2")
    make_corpus(work)
    (work / "tokens").write_text("".join(f"{token}\n" for token in TOKENS))
    names = (f"<{number}>\n" for number in range(codec.codebook_size))
    (work / "codes").write_text("".join(names))
    codes, durations = "", ""
    for key, text in TEXTS.items():
        wav, _ = soundfile.read(work / f"{key}.wav", dtype="float32")
        semantic = codec.encode(wav)[0].tolist()
        share, rest = divmod(len(semantic), len(text) + 1)  # of tokens, and the end's
        frames = [share] * len(text) + [share + rest]
        codes += f"{key} {' '.join(map(str, semantic))}\n"
        durations += f"{key} {' '.join(map(str, frames))}\n"
    (work / "semantic").write_text(codes)
    (work / "durations").write_text(durations)
    write_yaml(work / "train.yaml", CONFIG)
    data = ["text,text,text", "wav.scp,speech,sound"]
    data += ["semantic,discrete_speech,text_int", "durations,durations,text_int"]
    common = {"config": "train.yaml"}
    both = {}
    for part in ("train", "valid"):
        common[f"{part}_shape_file"] = "shape"
        common[f"{part}_data_path_and_name_and_type"] = data
        feats = f"stats/{part}/collect_feats"
        both[f"{part}_data_path_and_name_and_type"] = [
            *data,
            *(f"{feats}/{name}.scp,{name},npy" for name in ("pitch", "energy")),
        ]
    collect = {"collect_stats": "true", "write_collected_feats": "true"}
    collect |= {"output_dir": "stats"}
    decode = {
        "data_path_and_name_and_type": "text,text,text",
        "train_config": "exp/config.yaml",
        "model_file": "exp/latest.pth",
        "output_dir": "out",
        "vocoder_file": exp,
    }
    run(
        work,
        words("espnet2.bin.tts2_train", common | collect),
        words("espnet2.bin.tts2_train", common | both | {"output_dir": "exp"}),
        words("espnet2.bin.tts2_inference", decode),
    )
    return work


def test_predicted_codes_are_decoded(tts2, codec):
    for key in TEXTS:
        codes = np.load(tts2 / f"out/feats/{key}.npy")
        wav, rate = soundfile.read(tts2 / f"out/wav/{key}.wav", dtype="int16")
        assert rate == codec.sample_rate and codes.ndim == 1
        assert len(wav) == len(codes) * codec.hop_length
        expected = codec.decode(torch.from_numpy(codes)[None]).clamp(-1, 1)
        assert np.abs(wav - 32768 * expected.numpy()).max() <= 1
