"""The end-to-end run: `run.sh --smoke true`, and what each of its stages wrote."""

import re
import subprocess
from pathlib import Path

import pytest
import soundfile
import yaml

ROOT = Path(__file__).resolve().parents[1]
SETS = ("train", "dev", "test")
pytestmark = pytest.mark.smoke


def table(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def codes_of(directory):
    from espnet_st.codes import CodesReader

    return CodesReader(str(directory / "codes.scp"))


def test_each_stage_logs_its_time(smoke_run):
    said = (smoke_run / "run.log").read_text()
    for stage in range(1, 9):
        assert re.search(rf"stage {stage} took \d+ s", said), stage


def test_stage_1_and_2_make_and_format_the_corpus(smoke_run):
    for name in SETS:
        raw = smoke_run / "dump/raw" / name
        wavs = table(raw / "wav.scp")
        assert wavs.keys() == table(raw / "text").keys() == table(raw / "phones").keys()
        assert wavs.keys() <= table(smoke_run / "data" / name / "wav.scp").keys()
        for key, samples in table(raw / "utt2num_samples").items():
            info = soundfile.info(wavs[key])
            assert (info.samplerate, info.channels) == (16000, 1)
            assert info.frames == int(samples)
    voices = [set(table(smoke_run / "data" / n / "spk2utt")) for n in ("train", "test")]
    assert not voices[0] & voices[1], "voices of the test set are not in training"


def test_stage_3_makes_the_teacher_and_the_tokens(smoke_run):
    from espnet_st.codec.teacher.teacher import build_teacher

    teacher = build_teacher(str(smoke_run / "exp/teacher"))
    assert teacher.output_size > 0
    assert not any(p.requires_grad for p in teacher.parameters())
    units = build_teacher(
        str(smoke_run / "exp/teacher"), "units", str(smoke_run / "exp/units/units.npy")
    )
    assert units.output_size == 100 and units.layer == 3
    (tokens,) = smoke_run.glob("dump/token_list/*/tokens.txt")
    tokens = tokens.read_text(encoding="utf-8").splitlines()
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert len(tokens) == len(set(tokens)) > 20


@pytest.mark.parametrize(
    "name",
    [
        *("codec_mini", "uslm_mini", "codec_mini_nodistill", "uslm_mini_nodistill"),
        "codec_mini_units",
    ],
)
def test_stages_4_and_6_train_models(smoke_run, name):
    exp = smoke_run / "exp" / name
    assert (exp / "config.yaml").is_file() and (exp / "latest.pth").is_file()
    assert list((exp / "tensorboard").rglob("events.*"))
    assert "1epoch results" in (exp / "train.log").read_text()


@pytest.mark.parametrize(
    "codes", ["codes_mini", "codes_mini_nodistill", "codes_mini_units"]
)
def test_stage_5_tokenizes_every_utterance(smoke_run, codes):
    for name in SETS:
        samples = table(smoke_run / "dump/raw" / name / "utt2num_samples")
        tokens = codes_of(smoke_run / "dump" / codes / name)
        assert set(tokens) == samples.keys()
        for key in tokens:
            assert tokens[key].shape[1] == -(-int(samples[key]) // 320)
        assert table(smoke_run / "dump" / codes / name / "text").keys() == set(tokens)


def test_stage_5_gives_what_the_codec_gives_to_a_user(smoke_run):
    from espnet_st.inference.audio_coding import AudioCoding

    codec = AudioCoding.from_pretrained(smoke_run / "exp/codec_mini")
    tokens = codes_of(smoke_run / "dump/codes_mini/test")
    key, path = next(iter(table(smoke_run / "dump/raw/test/wav.scp").items()))
    wav, rate = soundfile.read(path, dtype="float32")
    codes = codec.encode(wav, sample_rate=rate)
    assert codes.equal(tokens[key])
    assert len(codec.decode(codes)) >= len(wav)


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("codec_mini/decode_rvq1", "text"),
        ("codec_mini/decode_rvq1_8", "text"),
        ("codec_mini_nodistill/decode_rvq1", "text"),
        ("codec_mini_nodistill/decode_rvq1_8", "text"),
        ("codec_mini_units/decode_rvq1", "text"),
        ("codec_mini/decode_vc_rvq2", "conversion/utt2ref"),
        ("codec_mini/decode_vc_rvq2_4", "conversion/utt2ref"),
        ("codec_mini/decode_vc_rvq2_8", "conversion/utt2ref"),
        ("uslm_mini/decode_vc_nar", "conversion/utt2ref"),
        ("uslm_mini/decode_zeroshot", "zeroshot/text"),
        ("uslm_mini_nodistill/decode_zeroshot", "zeroshot/text"),
    ],
)
def test_stage_7_decodes(smoke_run, where, keys):
    wavs = table(smoke_run / "exp" / where / "test/wav.scp")
    assert wavs.keys() == table(smoke_run / "dump/raw/test" / keys).keys()
    for path in wavs.values():
        info = soundfile.info(path)
        assert info.samplerate == 16000 and info.frames > 0


@pytest.mark.parametrize("language", ["de", "zh"])
def test_unseen_languages_are_resynthesized(smoke_run, language):
    keys = table(smoke_run / f"data/test_{language}/text").keys()
    for part in ("rvq1", "rvq1_8"):
        made = smoke_run / f"exp/codec_mini/decode_{part}/test_{language}/wav.scp"
        assert table(made).keys() == keys


def test_stage_7_keeps_the_codes_of_synthetic_speech(smoke_run):
    out = smoke_run / "exp/uslm_mini/decode_zeroshot/test"
    tokens = codes_of(out)
    for key, path in table(out / "wav.scp").items():
        assert tokens[key].shape[0] == 8
        assert soundfile.info(path).frames == 320 * tokens[key].shape[1]


def test_the_baselines_uslm_speaks_its_codes(smoke_run):
    exp = smoke_run / "exp/uslm_mini_nodistill"
    conf = yaml.safe_load((exp / "config.yaml").read_text())["tts_conf"]
    codes = smoke_run / "dump/codes_mini_nodistill/train"
    assert Path(conf["codebooks"]) == codes / "codebooks.npy"
    codec = yaml.safe_load((exp / "codec.yaml").read_text())["codec"]
    assert (exp / codec).resolve() == smoke_run.resolve() / "exp/codec_mini_nodistill"


@pytest.mark.parametrize("of", ["", "_nodistill"])
def test_stage_6_gives_a_model_the_decoding_that_stage_7_uses(smoke_run, of):
    conf = ROOT / "egs2/mini/speechtok1/conf/decode_uslm.yaml"
    conf = yaml.safe_load(conf.read_text(encoding="utf-8"))
    del conf["batch_size"], conf["seed"]
    exp = smoke_run / f"exp/uslm_mini{of}"
    assert yaml.safe_load((exp / "decode.yaml").read_text()) == conf
    (log, *_) = sorted((exp / "decode_zeroshot/test").glob("decode.*.log"))
    assert "decoding with {" in log.read_text()


def test_stage_8_reports(smoke_run):
    results = smoke_run / "exp/results"
    text = (results / "RESULTS.md").read_text(encoding="utf-8")
    assert "|SpeechTokenizer|RVQ-1:8|" in text and "|USLM|No distillation|" in text
    less = "USLM on No distillation's rate less USLM on SpeechTokenizer's"
    assert re.search(rf"{less} is -?\d+\.\d points", text)
    assert re.search(r"No distillation RVQ-1:8: \d+ of \d+;", text)
    assert "### What to know" in text
    assert "nan" not in text.lower().split()
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "<audio" in page and "<img" in page
    assert not re.search(r"(?:src|href)=[\"']https?:", page), "self-contained"
    assert text.splitlines()[0] in (smoke_run / "run.log").read_text()


def test_a_stopped_run_goes_on_where_it_was(smoke_run):
    stopped, again = (
        (smoke_run / name).read_text(errors="replace")
        for name in ("stopped.log", "run.log")
    )
    assert "stage 2 took" in stopped and "stage 3 took" not in stopped
    parts = re.search(r"(\d+) of (\d+) parts are there already", again)
    assert parts[1] == parts[2]
    assert again.split("stage 3")[0].count("is finished: skipped") == 5


def test_a_second_run_skips_what_is_there(smoke_run, smoke_command):
    command = smoke_command(smoke_run, "--stage", "5", "--stop_stage", "5")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("is finished: skipped") == 15
