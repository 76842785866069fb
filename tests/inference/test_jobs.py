"""Jobs on one directory: what they depend on, who owns it, what another may do."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_st.bin.codec_inference import main as decode
from espnet_st.bin.tokenize import main as tokenize
from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.inference.jobs import Job, model_digest, tensor_digest
from espnet_st.inference.locks import LOCK, directory_lock, process_start

CHECKPOINT = "train.total_count.best.pth"


@pytest.fixture
def wav_scp(tmp_path):
    """Three recordings of a second."""
    rng = np.random.default_rng(0)
    for key in "abc":
        wav = 0.1 * rng.standard_normal(16000)
        soundfile.write(tmp_path / f"{key}.wav", wav, 16000)
    path = tmp_path / "wav.scp"
    path.write_text("".join(f"{key} {tmp_path}/{key}.wav\n" for key in "abc"))
    return path


def command(exp, wav_scp, out, *options):
    made = ["--codec", exp, "--wav_scp", wav_scp, "--output_dir", out, *options]
    return list(map(str, made))


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_another_codec_in_the_same_directory_is_refused(exp, wav_scp, tmp_path):
    other, out = tmp_path / "other", tmp_path / "codes"
    shutil.copytree(exp, other)
    state = torch.load(other / CHECKPOINT)
    state["codec.generator.projection.weight"] += 1
    torch.save(state, other / CHECKPOINT)
    tokenize(command(exp, wav_scp, out))
    before = content(out)
    with pytest.raises(ValueError, match="was begun with codec '.*', now '.*': choose"):
        tokenize(command(other, wav_scp, out))
    assert content(out) == before
    with pytest.raises(ValueError, match="begun with format 'kaldi', now 'packed'"):
        tokenize(command(exp, wav_scp, out, "--format", "packed"))
    assert content(out) == before
    # The same codec elsewhere, and options that change no code, are the same job.
    same = tmp_path / "same"
    shutil.copytree(exp, same)
    conf = yaml.safe_load((same / "config.yaml").read_text())
    conf["codec_conf"]["lambda_mel"] = 4.0
    (same / "config.yaml").write_text(yaml.safe_dump(conf))
    tokenize(command(same, wav_scp, out, "--batch_size", "1"))
    assert content(out) == before


def test_other_input_is_refused_and_more_input_is_not(exp, wav_scp, tmp_path):
    out, lines = tmp_path / "codes", wav_scp.read_text().splitlines()
    wav_scp.write_text("\n".join(lines[:2]) + "\n")
    tokenize(command(exp, wav_scp, out))
    wav_scp.write_text("\n".join(lines) + "\n")
    tokenize(command(exp, wav_scp, out))
    assert list(CodesReader(out / "codes.scp")) == ["a", "b", "c"]
    wav_scp.write_text(f"a {tmp_path}/c.wav\n")
    with pytest.raises(ValueError, match="has 1 results of other input, a for one"):
        tokenize(command(exp, wav_scp, out))
    wav_scp.write_text("\n".join(lines) + "\n")
    soundfile.write(tmp_path / "b.wav", np.full(800, 0.1), 16000)
    with pytest.raises(ValueError, match="has 1 results of other input, b for one"):
        tokenize(command(exp, wav_scp, out))
    # What has no result yet may change.
    with Job(tmp_path / "new", {}) as job:
        assert job.resume({"a": "1", "b": "2"}, ["a"][:0]) == ["a", "b"]
        assert job.resume({"a": "1", "b": "3"}, []) == ["a", "b"]
    with Job(tmp_path / "new", {}) as job:
        assert job.resume({"b": "3", "a": "1"}, ["a"]) == ["b"]


def test_results_of_which_nothing_is_known_are_refused(exp, wav_scp, tmp_path):
    out = tmp_path / "codes"
    tokenize(command(exp, wav_scp, out))
    (out / "job.json").unlink()
    with pytest.raises(ValueError, match="has results, a for one, and no job.json"):
        tokenize(command(exp, wav_scp, out))


def test_of_two_jobs_at_once_one_is_refused(exp, wav_scp, tmp_path):
    out, go = tmp_path / "codes", tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.02; done"
    slow = wav_scp.read_text().replace("a ", f"a {wait}; cat ")
    wav_scp.write_text(slow.replace("a.wav", "a.wav |", 1))
    made = command(exp, wav_scp, out)
    first = subprocess.Popen(
        [sys.executable, "-m", "espnet_st.bin.tokenize", *made],
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while not (out / "job.json").exists() and time.monotonic() < end:
        time.sleep(0.02)
    with pytest.raises(ValueError, match=f"in work by process {first.pid}: wait"):
        tokenize(made)
    go.touch()
    assert first.wait() == 0 and not (out / LOCK).exists()
    tokenize(made)
    lines = (out / "codes.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["a", "b", "c"]


def test_decoding_refuses_other_codes_and_layers(exp, codec, wav_scp, tmp_path):
    out, codes = tmp_path / "out", tmp_path / "codes"
    tokenize(command(exp, wav_scp, codes))
    made = ["--codec", str(exp), "--codes_scp", str(codes / "codes.scp")]
    made += ["--output_dir", str(out)]
    decode([*made, "--layers", "1"])
    decode([*made, "--layers", "1", "--batch_size", "1"])
    with pytest.raises(ValueError, match="was begun with layers 1, now 3: choose"):
        decode(made)
    with CodesWriter(tmp_path / "changed") as writer:
        for key, one in CodesReader(codes / "codes.scp").items():
            writer[key] = one if key != "b" else (one + 1) % 8
    made[3] = str(tmp_path / "changed/codes.scp")
    with pytest.raises(ValueError, match="has 1 results of other input, b for one"):
        decode([*made, "--layers", "1"])


def test_a_key_that_is_there_twice_is_refused(exp, wav_scp, tmp_path):
    out = tmp_path / "codes"
    tokenize(command(exp, wav_scp, out))
    scp = out / "codes.scp"
    scp.write_text(scp.read_text() + scp.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="'a' comes twice"):
        CodesReader(scp)
    with pytest.raises(ValueError, match="'a' comes twice"):
        tokenize(command(exp, wav_scp, out))


def hold(directory, held):
    with directory_lock(directory):
        held.set()
        time.sleep(60)


def test_the_lock_of_a_killed_job_is_taken_over(tmp_path, caplog):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, held))
    process.start()
    assert held.wait(30)
    with (
        pytest.raises(ValueError, match=f"process {process.pid}: wait"),
        directory_lock(tmp_path),
    ):
        pass
    os.kill(process.pid, signal.SIGSTOP)  # stopped is not ended
    with pytest.raises(ValueError, match="wait for it"), directory_lock(tmp_path):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with directory_lock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
        assert "of a job that has ended: taken over" in caplog.text
        with pytest.raises(ValueError, match="wait"), directory_lock(tmp_path):
            pass
    assert not (tmp_path / LOCK).exists()


def test_owners_are_told_apart_by_host_process_and_start(tmp_path):
    host, pid = socket.gethostname(), os.getpid()
    start = process_start(pid)
    assert start and process_start(2**22 + 1) is None
    lock = tmp_path / LOCK

    def owned_by(**owner):
        lock.write_text(json.dumps(owner))

    owned_by(host="elsewhere", pid=pid, start="1")
    with pytest.raises(ValueError, match=r"on elsewhere: .* remove .*\.lock"):
        Job(tmp_path, {}).__enter__()
    lock.write_text("nonsense")
    with pytest.raises(ValueError, match="no lock of ours"):
        Job(tmp_path, {}).__enter__()
    owned_by(host=host, pid=pid, start=start)
    with pytest.raises(ValueError, match="wait for it"):
        Job(tmp_path, {}).__enter__()
    # Its number was given to another process since.
    owned_by(host=host, pid=pid, start=start + "1")
    with Job(tmp_path, {}):
        pass
    assert not lock.exists()


def take(directory, start, won):
    start.wait()
    try:
        with directory_lock(directory):
            won.put(os.getpid())
            time.sleep(1)
    except ValueError:
        won.put(None)


def test_of_many_that_find_a_stale_lock_one_takes_it(tmp_path):
    (tmp_path / LOCK).write_text(
        json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "start": "1"})
    )
    context = multiprocessing.get_context("fork")
    start, won = context.Barrier(6), context.Queue()
    arguments = (tmp_path, start, won)
    takers = [context.Process(target=take, args=arguments) for _ in range(6)]
    for one in takers:
        one.start()
    found = [won.get(timeout=60) for _ in takers]
    for one in takers:
        one.join()
    assert len([pid for pid in found if pid]) == 1


def test_a_failing_job_leaves_no_lock(tmp_path):
    with pytest.raises(RuntimeError), Job(tmp_path, {}):
        raise RuntimeError("disk")
    with Job(tmp_path, {"a": 1}) as job:
        job.resume({}, [])
    with pytest.raises(ValueError, match="begun with a 1, now None"):
        Job(tmp_path, {}).__enter__()
    assert not (tmp_path / LOCK).exists()


def test_digests_tell_content_type_and_shape():
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 2)
    digest = model_digest(model)
    assert model_digest(model) == digest
    assert model_digest(model.bfloat16()) != digest
    codes = torch.arange(6)
    forms = [codes, codes.reshape(2, 3), codes.reshape(3, 2), codes.int(), codes + 1]
    assert len({tensor_digest(form) for form in forms}) == len(forms)
    assert tensor_digest(codes.flip(0).flip(0)) == tensor_digest(codes)
