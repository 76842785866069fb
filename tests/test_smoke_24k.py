"""All eight stages with a codec of 4 layers at 24 kHz: nothing assumes 8 or 16 kHz."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table

RECIPE = Path(__file__).resolve().parents[1] / "egs2/mini/speechtok1"
RATE, HOP, N_Q, ENTRIES = 24000, 480, 4, 32
pytestmark = pytest.mark.smoke


def write_configs(work):
    """Write mini's configurations with other sizes, and the list of one system."""
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
    lm = yaml.safe_load((RECIPE / "conf/train_uslm.yaml").read_text(encoding="utf-8"))
    lm["tts_conf"].update(
        codebook_size=ENTRIES, d_model=32, ar_layers=1, nar_layers=1, ffn_size=32
    )
    system = {
        "key": "small",
        "label": "Small",
        "codec": {"config": str(work / "codec.yaml")},
        "lm": {"label": "LM", "config": str(work / "lm.yaml")},
    }
    for name, content in (("codec", codec), ("lm", lm), ("systems", [system])):
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


def test_codes_have_the_codecs_layers_and_frames(work):
    for name in ("train", "dev", "test"):
        samples = read_table(work / "dump/raw" / name / "utt2num_samples")
        codes = CodesReader(work / "dump/codes_small" / name / "codes.scp")
        assert set(codes) == samples.keys()
        for key in codes:
            assert codes[key].shape == (N_Q, -(-int(samples[key]) // HOP))


@pytest.mark.parametrize(
    "where",
    [
        *("codec_small/decode_rvq1", "codec_small/decode_rvq1_4"),
        *("codec_small/decode_vc_rvq2", "codec_small/decode_vc_rvq2_4"),
        *("uslm_small/decode_vc_nar", "uslm_small/decode_zeroshot"),
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


def test_the_results_speak_of_four_layers(work):
    text = (work / "exp/results/RESULTS.md").read_text(encoding="utf-8")
    for line in ("|Small|RVQ-1|", "|Small|RVQ-1:4|", "|LM|Small|"):
        assert line in text
    assert "|Small|RVQ-1|RVQ-2:4|" in text and "1:8" not in text
    assert "not scored:" not in text.split("### Scorers")[0]
    for name in ("spectrograms", "voices_small", "phones", "curves_uslm_small"):
        assert (work / f"exp/results/images/{name}.png").is_file(), name
