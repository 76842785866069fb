"""What a processor computes in, and the exactness tests on lesser ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_st.kernels import processor

ROOT = Path(__file__).resolve().parents[2]
LESSER = {
    "AVX2": dict(
        ATEN_CPU_CAPABILITY="avx2",
        ONEDNN_MAX_CPU_ISA="AVX2",
        MKL_ENABLE_INSTRUCTIONS="AVX2",
    ),
    "SSE": dict(
        ATEN_CPU_CAPABILITY="default",
        ONEDNN_MAX_CPU_ISA="SSE41",
        MKL_ENABLE_INSTRUCTIONS="SSE4_2",
    ),
    "another maker's, to MKL": dict(MKL_CBWR="COMPATIBLE"),
}
EXACT = (
    "tests/kernels/test_lstm.py",
    "tests/kernels/test_products.py",
    "tests/codec/test_chunks.py",
    "tests/inference/test_inference.py",
)


def in_process(imitated, *command):
    """Run Python as on a lesser processor."""
    env = {name: value for name, value in os.environ.items() if name != IMITATING}
    env |= imitated | {IMITATING: "true", "OMP_NUM_THREADS": "2"}
    return subprocess.run(
        [sys.executable, *command], env=env, cwd=ROOT, capture_output=True, text=True
    )


IMITATING = "ESPNET_ST_TEST_IMITATES"


@pytest.mark.skipif(IMITATING in os.environ, reason="imitates already")
@pytest.mark.parametrize("lesser", LESSER)
def test_what_is_exact_is_so_on_a_lesser_processor(lesser):
    alike = "bits or alike or right or equations or overflow or alone or whole"
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *EXACT]
    done = in_process(LESSER[lesser], *command, "-k", alike)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_imitating_torchs_vectors_takes_bfloat16_away():
    code = "from espnet_st.kernels import processor; print(processor.has_bfloat16())"
    done = in_process(LESSER["AVX2"], "-c", code)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("able", [False, True])
def test_bfloat16_is_used_where_there_are_instructions(able, monkeypatch, caplog):
    monkeypatch.setattr(processor, "has_bfloat16", lambda: able)
    kind = "bfloat16" if able else "float32"
    assert processor.usable_dtype("auto", "cpu") == kind
    assert not caplog.text
    assert processor.usable_dtype("bfloat16", "cpu") == kind
    assert ("computing in float32" in caplog.text) == (not able)
    assert processor.usable_dtype("bfloat16", "cuda") == "bfloat16"
    assert processor.usable_dtype("float32", "cpu") == "float32"
    assert processor.usable_dtype("int8", "cpu") == "int8"
