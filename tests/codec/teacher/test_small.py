"""A small teacher: a few steps, resuming, loading back; its data; its probe."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.codec.teacher.small.data import (
    PHONES,
    FrameGrid,
    collate,
    epoch_batches,
    read_utterances,
)
from espnet_st.codec.teacher.small.model import (
    PhoneRecognizer,
    TeacherConfig,
    filterbank,
)
from espnet_st.codec.teacher.teacher import build_teacher

pytest.importorskip("transformers")

MODEL = {
    "conv_dim": [8, 8, 8],
    "conv_stride": [20, 4, 4],
    "conv_kernel": [40, 8, 4],
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "apply_spec_augment": False,
    "layerdrop": 0.0,
}


GRID = FrameGrid(16000, 320)


def config(**changes):
    values = {"model": MODEL, "batch_size": 4, "warmup_steps": 2, "valid_interval": 3}
    return TeacherConfig(**{**values, "max_steps": 6, **changes})


def write_set(directory, n=6, seconds=0.5):
    """Two 'phones', each a tone; every utterance says both."""
    directory.mkdir()
    rng = np.random.default_rng(0)
    time = np.arange(int(8000 * seconds)) / 16000
    scp, phones, speakers, ctm = [], [], [], []
    for i in range(n):
        order = ["AA", "S"] if i % 2 else ["S", "AA"]
        tones = [np.sin(6.283 * (300 if p == "AA" else 3000) * time) for p in order]
        wav = np.concatenate(tones) + 0.01 * rng.standard_normal(2 * len(time))
        soundfile.write(directory / f"u{i}.wav", 0.3 * wav, 16000)
        scp.append(f"u{i} {directory}/u{i}.wav")
        phones.append(f"u{i} {' '.join(order)}")
        speakers.append(f"u{i} s{i % 3}")
        for k, phone in enumerate(order):
            ctm.append(f"u{i} 1 {k * seconds / 2} {seconds / 2} {phone}")
    tables = {"wav.scp": scp, "phones": phones, "utt2spk": speakers, "phones.ctm": ctm}
    for name, lines in tables.items():
        (directory / name).write_text("\n".join(lines) + "\n")
    return directory


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("teacher") / "train")


def weights(directory):
    from safetensors.torch import load_file

    return load_file(directory / "model.safetensors")


def test_trained_saved_and_loaded_back(data, tmp_path):
    from espnet_st.codec.teacher.small.training import train_teacher

    curve = train_teacher(data, data, tmp_path, config())
    assert [row["step"] for row in curve] == [3, 6]
    assert json.loads((tmp_path / "curve.json").read_text()) == curve
    assert (tmp_path / "curve.png").stat().st_size > 1000
    readme = (tmp_path / "README.txt").read_text()
    assert "It is NOT HuBERT" in readme and "the phone of each frame" in readme
    assert not list(tmp_path.glob("checkpoint*"))
    teacher = build_teacher(str(tmp_path))
    assert teacher.output_size == 16 and teacher.backbone.epsilon == 1e-7
    assert teacher(torch.randn(1, 3300)).shape == (1, 11, 16)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(data, tmp_path, monkeypatch):
    from espnet_st.codec.teacher.small import training as teacher_training

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    teacher_training.train_teacher(data, data, whole, config())
    update = teacher_training._Run.update

    def interrupted(run, utterances):
        if run.step == 4:
            raise KeyboardInterrupt
        return update(run, utterances)

    monkeypatch.setattr(teacher_training._Run, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teacher_training.train_teacher(data, data, parts, config())
    monkeypatch.setattr(teacher_training._Run, "update", update)
    with pytest.raises(ValueError, match="of another configuration: remove it"):
        teacher_training.train_teacher(data, data, parts, config(seed=1))
    curve = teacher_training.train_teacher(data, data, parts, config())
    assert [row["step"] for row in curve] == [3, 6]
    resumed = weights(parts)
    assert all(torch.equal(w, resumed[name]) for name, w in weights(whole).items())


@pytest.fixture(scope="module")
def untimed(tmp_path_factory):
    directory = write_set(tmp_path_factory.mktemp("untimed") / "train")
    (directory / "phones.ctm").unlink()
    return directory


@pytest.mark.parametrize("times", ["data", "untimed"])
def test_two_tones_are_learnt_from_frames_or_by_ctc(times, request):
    utterances = read_utterances(request.getfixturevalue(times), 16000)
    torch.manual_seed(0)
    model = PhoneRecognizer(config(), len(PHONES))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    batch = collate(utterances, GRID)
    for _ in range(150):
        loss = model.loss(model(batch.wav), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    decoded = model.decode(model(batch.wav), batch)
    assert decoded == [u.phones.tolist() for u in utterances]


def test_a_mixed_batch_weighs_both_losses_by_utterances(data, untimed):
    torch.manual_seed(0)
    model = PhoneRecognizer(config(), len(PHONES)).eval()
    timed, other = (
        read_utterances(data, 16000)[:4],
        read_utterances(untimed, 16000)[4:],
    )

    def loss(utterances):
        batch = collate(utterances, GRID)
        return model.loss(model(batch.wav), batch).item()

    expected = (4 * loss(timed) + 2 * loss(other)) / 6
    assert loss(timed + other) == pytest.approx(expected, rel=1e-5)


def test_the_filterbank_answers_at_its_frequencies():
    filters = filterbank(256, 400, 16000)
    spectra = torch.fft.rfft(filters, 16000).abs()
    peaks = spectra.argmax(dim=1).view(64, 4)[:, 0]
    assert (peaks.diff() > 0).all() and 50 <= peaks[0] <= 110 and peaks[-1] == 7600
    # Four phases: the second pair is the first upside down.
    phases = filters.view(64, 4, 400)
    assert torch.allclose(phases[:, :2], -phases[:, 2:], atol=1e-5)
    with pytest.raises(ValueError, match="multiple of 4"):
        filterbank(6, 400, 16000)


@pytest.mark.parametrize("playback", [1.0, 1.25])
def test_frames_get_the_phone_at_their_centre(data, playback):
    utterances = read_utterances(data, 16000)
    frames = collate(utterances, GRID, playback).frames
    # u0 says S from 0 and AA from 0.25 s to 0.5 s: 25 frames of 20 ms, played faster.
    assert frames.shape == (6, int(25 / playback))
    half = frames.shape[1] // 2
    number = {phone: i for i, phone in enumerate(PHONES, 1)}
    assert frames[0].tolist()[: half - 1] == [number["S"]] * (half - 1)
    assert frames[0].tolist()[half + 1 :] == [number["AA"]] * (
        frames.shape[1] - half - 1
    )


def test_playback_shortens_and_raises_the_pitch(data):
    utterance = read_utterances(data, 16000)[:1]
    plain, faster = (
        collate(utterance, GRID, playback).wav[0] for playback in (1.0, 1.25)
    )
    assert len(faster) == round(len(plain) / 1.25)

    def peak(wav):  # Hz of the first phone, a tone of 3000 Hz
        return torch.fft.rfft(wav[:2400]).abs().argmax().item() * 16000 / 2400

    assert peak(faster) == pytest.approx(1.25 * peak(plain), rel=0.02)
    assert plain.mean().abs() < 1e-4 and plain.var() == pytest.approx(1.0, abs=1e-2)


def test_batches_are_a_function_of_the_seed_and_hold_each_utterance_once(data):
    utterances = read_utterances(data, 16000)

    def names(seed):
        batches = epoch_batches(utterances, 4, seed)
        return [[u.name for u in batch] for batch in batches]

    assert names(1) == names(1) != names(2)
    assert sorted(sum(names(1), [])) == sorted(u.name for u in utterances)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("phones", "u0 AA QQ", r"utterance u0: unknown phones \['QQ'\]"),
        ("phones", "v9 AA", "differ in 2 keys"),
        ("phones", "u1 AA", "phones.*2.*u1"),
        ("wav.scp", "u0", "wav.scp.*1.*u0"),
        ("wav.scp", "u0 nowhere.wav", "utterance u0: cannot read.*nowhere.wav"),
        ("wav.scp", "u0 {}/silent.wav", "u0: .*is silent"),
        ("wav.scp", "u0 {}/phones", "utterance u0: cannot read"),
    ],
)
def test_bad_data_is_named(tmp_path, name, line, message):
    directory = write_set(tmp_path / "bad", n=2)
    soundfile.write(directory / "silent.wav", np.zeros(99), 16000)
    rows = (directory / name).read_text().splitlines()
    rows[0] = line.format(directory)
    (directory / name).write_text("\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=message):
        read_utterances(directory, 16000)


@pytest.mark.parametrize("rate", [8000, 24000])
def test_recordings_of_another_rate_are_resampled(data, tmp_path, rate):
    """The small teacher works at its own rate, whatever the codec's."""
    import torchaudio

    other = write_set(tmp_path / "other")
    for path in other.glob("*.wav"):
        wav = torchaudio.functional.resample(
            torch.from_numpy(soundfile.read(path, dtype="float32")[0]), 16000, rate
        )
        soundfile.write(path, torch.stack([wav, wav], 1).numpy(), rate)
    for ours, theirs in zip(
        read_utterances(data, 16000), read_utterances(other, 16000)
    ):
        assert len(theirs.wav) == len(ours.wav) and theirs.wav.dtype == np.int16
        a, b = ours.wav[200:-200].astype(float), theirs.wav[200:-200].astype(float)
        assert np.corrcoef(a, b)[0, 1] > 0.95
        assert torch.equal(ours.timed, theirs.timed)


def test_a_small_teacher_of_another_rate_is_saved_with_it(data, tmp_path):
    from espnet_st.codec.teacher.small.training import train_teacher

    train_teacher(data, data, tmp_path, config(sample_rate=24000, max_steps=1))
    teacher = build_teacher(str(tmp_path))
    assert teacher.sample_rate == 24000 and teacher.frame_rate == 75
    assert teacher(torch.randn(1, 3300)).shape == (1, 11, 16)


def test_a_missing_table_says_which_stage_makes_it(tmp_path):
    with pytest.raises(ValueError, match="wav.scp is missing: run the stages before"):
        read_utterances(tmp_path, 16000)


def test_wrong_configurations_are_refused():
    with pytest.raises(ValueError, match=r"unknown keys \['learning_rate'\]"):
        TeacherConfig.from_mapping({"learning_rate": 1.0})
    with pytest.raises(ValueError, match="max_steps is 0; expected > 0"):
        TeacherConfig.from_mapping({"max_steps": 0})


def test_command_line_trains_checks_and_makes_units(data, tmp_path, capsys):
    import yaml

    from espnet_st.bin.teacher import main

    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"model": MODEL, "max_steps": 999}))
    where = ["--train_dir", str(data), "--valid_dir", str(data)]
    where += ["--output_dir", str(tmp_path / "t"), "--config", str(tmp_path / "c.yaml")]
    main(["train", *where, "--smoke", "true"])
    teacher = ["--teacher", str(tmp_path / "t")]
    output = str(tmp_path / "units.npy")
    main(["units", *teacher, "--layer", "1", "--n_clusters", "5", "--wav_scp"]
         + [str(data / "wav.scp"), "--output", output])  # fmt: skip
    main(["check", *teacher, "--layer", "units", "--units_file", output])
    main(["check", *teacher, "--data_dir", str(data), "--n_clusters", "4"])
    table = capsys.readouterr().out
    assert "output 5, 50 frames for one second" in table
    assert [line.split()[1] for line in table.splitlines()[-4:]] == [
        "0",
        "1",
        "2",
        "avg",
    ]


def test_kmeans_finds_blobs_and_the_probe_finds_speakers():
    from espnet_st.codec.codebook import nearest
    from espnet_st.codec.teacher.units import kmeans
    from espnet_st.slmtokbench.tokens.layer_probe import speaker_accuracy

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    centres = 10 * torch.randn(3, 4, generator=generator)
    rows = centres[labels] + 0.1 * torch.randn(60, 4, generator=generator)
    found = nearest(rows, kmeans(rows, 3, seed=0))
    assert {(int(a), int(b)) for a, b in zip(labels, found, strict=True)}.__len__() == 3
    names = [f"s{label}" for label in labels]
    assert speaker_accuracy(rows, names, seed=0) == 1.0
    noise = torch.randn(60, 4, generator=generator)
    assert speaker_accuracy(noise, names, seed=0) < 0.6
    with pytest.raises(ValueError, match="2 frames cannot make 3 clusters"):
        kmeans(rows[:2], 3, seed=0)


def test_the_shipped_configuration_builds():
    import yaml

    root = Path(__file__).resolve().parents[3]
    path = root / "egs2/mini/speechtok1/conf/train_teacher.yaml"
    shipped = TeacherConfig.from_mapping(yaml.safe_load(path.read_text()))
    model = PhoneRecognizer(shipped, len(PHONES))
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 3e6
