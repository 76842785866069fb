"""All eight stages with codecs of 4 layers at 24 kHz: nothing assumes 8 or 16 kHz.

One is this package's; the other is ESPnet's EnCodec, with VALL-E on its codes. One
speaker is the source of all conversions, and stage 8 writes listening tests.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.inference.audio_coding import AudioCoding

RECIPE = Path(__file__).resolve().parents[1] / "egs2/mini/speechtok1"
RATE, HOP, N_Q, ENTRIES = 24000, 480, 4, 32
SOURCE = "espf"
pytestmark = pytest.mark.smoke


def write_configs(work):
    """Write mini's configurations with other sizes, and the list of two systems."""
    codec = yaml.safe_load(
        (RECIPE / "conf/train_speechtokenizer_mini.yaml").read_text(encoding="utf-8")
    )
    conf = codec["codec_conf"]
    conf.update(sample_rate=RATE, dimension=16)
    size = dict(hop_length=HOP, n_fft=4 * HOP, channels=16, hidden=16, n_blocks=1)
    conf["encoder_conf"] = dict(n_mels=40, lstm_layers=1, **size)
    conf["decoder_conf"] = size
    conf["quantizer_conf"].update(n_q=N_Q, codebook_size=ENTRIES)
    codec["chunk_length"] = RATE
    stock = yaml.safe_load((RECIPE / "conf/train_encodec.yaml").read_text("utf-8"))
    stock["codec_conf"]["sampling_rate"] = RATE
    stock["codec_conf"]["generator_params"].update(
        hidden_dim=16, encdec_n_filters=2, encdec_ratios=[4, 4, 5, 6],
        quantizer_n_q=N_Q, quantizer_bins=ENTRIES,
        quantizer_target_bandwidth=[0.25, 1.0],
    )  # fmt: skip
    stock["chunk_length"] = RATE
    lm = yaml.safe_load((RECIPE / "conf/train_valle.yaml").read_text(encoding="utf-8"))
    lm["tts_conf"].update(
        codebook_size=ENTRIES, d_model=32, ar_layers=1, nar_layers=1, ffn_size=32
    )
    systems = [
        {
            "key": "small",
            "label": "Small",
            "codec": {"config": str(work / "codec.yaml")},
            "lm": {"label": "LM", "config": str(work / "lm.yaml")},
        },
        {
            "key": "encodec",
            "label": "EnCodec",
            "conversion": False,
            "codec": {"config": str(work / "stock.yaml"), "teacher": "none"},
            "lm": {"label": "VALL-E", "config": str(work / "lm.yaml")},
        },
    ]
    contents = {"codec": codec, "stock": stock, "lm": lm, "systems": systems}
    for name, content in contents.items():
        (work / f"{name}.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The directory of a finished run."""
    work = tmp_path_factory.mktemp("smoke24k")
    write_configs(work)
    options = dict(
        smoke="true", python=sys.executable, systems=work / "systems.yaml", fs=RATE,
        units=8, units_layer=1, max_seconds=12, datadir=work / "data",
        dumpdir=work / "dump", expdir=work / "exp",
        conversion_source=SOURCE, listening_tests="true",
        bench_args="--recognizers [pocketsphinx] --quality [stoi]",
    )  # fmt: skip
    given = [str(part) for key in options for part in (f"--{key}", options[key])]
    log = work / "run.log"
    with log.open("w") as output:
        done = subprocess.run(
            ["./speechtok.sh", *given], cwd=RECIPE, stdout=output, stderr=output,
            env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
    assert done.returncode == 0, log.read_text(errors="replace")[-6000:]
    return work


@pytest.mark.parametrize("key", ["small", "encodec"])
def test_codes_have_the_codecs_layers_and_frames(work, key):
    books = np.load(work / f"dump/codes_{key}/train/codebooks.npy")
    assert books.shape == (N_Q, ENTRIES, 16)
    for name in ("train", "dev", "test"):
        samples = read_table(work / "dump/raw" / name / "utt2num_samples")
        codes = CodesReader(work / f"dump/codes_{key}" / name / "codes.scp")
        assert set(codes) == samples.keys()
        for utterance, found in codes.items():
            assert found.shape == (N_Q, -(-int(samples[utterance]) // HOP))


@pytest.mark.parametrize(
    "where",
    [
        *("codec_small/decode_rvq1", "codec_small/decode_rvq1_4"),
        *("codec_small/decode_vc_rvq2", "codec_small/decode_vc_rvq2_4"),
        *("uslm_small/decode_vc_nar", "uslm_small/decode_zeroshot"),
        *("codec_encodec/decode_rvq1", "codec_encodec/decode_rvq1_4"),
        "uslm_encodec/decode_zeroshot",
    ],
)
def test_everything_is_decoded_at_the_codecs_rate(work, where):
    wavs = read_table(work / "exp" / where / "test/wav.scp")
    assert wavs
    for path in wavs.values():
        info = soundfile.info(path)
        assert info.samplerate == RATE and info.frames > 0


def test_no_other_layers_are_decoded(work):
    made = {path.name for path in (work / "exp/codec_small").glob("decode_*")}
    assert made == {
        "decode_rvq1", "decode_rvq1_4", "decode_vc_rvq2", "decode_vc_rvq2_4",
    }  # fmt: skip


def test_one_speaker_is_converted_to_each_other(work):
    voices = read_table(work / "dump/raw/test/utt2spk")
    others = set(voices.values()) - {SOURCE}
    pairs = read_table(work / "dump/raw/test/conversion/utt2src")
    assert {pair.rpartition("-")[2] for pair in pairs} == others
    (source,) = set(pairs.values())
    assert voices[source] == SOURCE
    made = read_table(work / "exp/codec_small/decode_vc_rvq2/test/wav.scp")
    assert made.keys() == pairs.keys()
    text = (work / "exp/results/RESULTS.md").read_text(encoding="utf-8")
    table = text.partition("Table 5.")[2]
    truth = re.search(r"\|Groundtruth\|(.*)", table)[1]
    assert re.search(r"\d+\.\d", truth), "figures of the source's recording"


def test_stage_8_writes_listening_tests(work):
    where = work / "exp/results/listening_tests"
    for kind in ("mushra", "mos", "smos"):
        (page,) = where.glob(f"{kind}-*.html")
        key = json.loads((where / "keys" / f"{page.stem}.json").read_text("utf-8"))
        assert {"Small", "EnCodec"} <= set(re.findall(r"\w+", json.dumps(key)))


def test_the_stock_codec_is_espnets_and_was_trained_without_a_teacher(work):
    config = yaml.safe_load((work / "exp/codec_encodec/config.yaml").read_text())
    assert config["codec"] == "encodec" and config["init"] == "kaiming_normal"
    assert not {"teacher_conf", "lambda_distill"} & config["codec_conf"].keys()
    codec = AudioCoding.from_pretrained(work / "exp/codec_encodec")
    key, path = next(iter(read_table(work / "dump/raw/test/wav.scp").items()))
    wav, rate = soundfile.read(path, dtype="float32")
    assert rate == codec.sample_rate == RATE and codec.hop_length == HOP
    codes = CodesReader(work / "dump/codes_encodec/test/codes.scp")
    assert torch.equal(codes[key], codec.encode(wav))


def test_the_results_speak_of_four_layers(work):
    text = (work / "exp/results/RESULTS.md").read_text(encoding="utf-8")
    lines = "|Small|RVQ-1|", "|Small|RVQ-1:4|", "|LM|Small|", "|EnCodec|RVQ-1:4|"
    for line in (*lines, "|VALL-E|EnCodec|"):
        assert line in text
    assert "|Small|RVQ-1|RVQ-2:4|" in text and "1:8" not in text
    assert "not scored:" not in text.split("### Scorers")[0]
    for name in ("spectrograms_all", "voices_small", "phones", "curves_uslm_small"):
        assert (work / f"exp/results/images/{name}.png").is_file(), name
