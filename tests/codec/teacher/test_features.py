"""Precomputed features: written, looked up chunk by chunk, refused where they lie."""

import json

import numpy as np
import pytest
import torch

from espnet_st.codec.distillation import Distillation, time_axis_loss
from espnet_st.codec.teacher.features import TeacherFeatures, write_features

CONF = {"name": "somewhere", "layer": "avg"}


@pytest.fixture
def directory(tmp_path):
    """Frame t of utterance a is (t, 1), of b (100 + t, 1)."""

    def ramp(start, frames):
        times = torch.arange(start, start + frames).float()
        return torch.stack([times, torch.ones(frames)], dim=1)

    items = [("a", ramp(0, 10)), ("b", ramp(100, 4))]
    assert write_features(tmp_path, CONF, items, 16000, 320) == 14
    return tmp_path


@pytest.mark.parametrize(("rate", "hop"), [(16000, 320), (24000, 480)])
def test_a_chunk_gets_the_frames_that_its_own_frames_lie_in(directory, rate, hop):
    features = TeacherFeatures(directory)
    conf = {"features": str(directory)}
    distillation = Distillation(rate, hop, teacher_conf=conf)
    samples = features.rows("a", 10 * hop - 7, rate)
    # Chunks as ESPnet cuts them: anywhere. A shift of a frame moves all by one.
    starts = [0, hop // 2 - 1, hop // 2, hop, hop + 5]
    rows = torch.stack([torch.from_numpy(samples[z : z + 4 * hop]) for z in starts])
    projection = torch.nn.Linear(2, 2)
    found = distillation._looked_up(2, rows)
    assert found[..., 0].tolist() == [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
    ]
    first = torch.randn(5, 2, 4)
    loss, _ = distillation(projection, first, torch.zeros(5, 4 * hop), rows=rows)
    assert loss == time_axis_loss(projection(first.transpose(1, 2)), found)[0]
    assert distillation.teacher is None


def test_rows_of_padding_are_the_last_frame(directory):
    features = TeacherFeatures(directory)
    assert features.rows("b", 2000, 16000).tolist() == sorted(
        [10] * 320 + [11] * 320 + [12] * 320 + [13] * 1040
    )
    assert torch.equal(features[torch.tensor([13])], torch.tensor([[103.0, 1.0]]))


def test_units_stay_units(tmp_path):
    write_features(tmp_path, CONF, [("a", torch.tensor([5, 300, 7]))], 16000, 320)
    found = TeacherFeatures(tmp_path)[torch.tensor([[0, 2], [1, 1]])]
    assert found.dtype == torch.int64 and found.tolist() == [[5, 7], [300, 300]]


def test_half_precision_changes_no_direction(tmp_path):
    torch.manual_seed(0)
    features = torch.randn(20, 768)
    write_features(tmp_path, CONF, [("a", features)], 16000, 320)
    found = TeacherFeatures(tmp_path)[torch.arange(20)]
    assert torch.nn.functional.cosine_similarity(found, features).min() > 0.99999


def test_features_that_do_not_fit_are_refused(directory, tmp_path):
    with pytest.raises(ValueError, match="no features of c: make them for all"):
        TeacherFeatures(directory).rows("c", 100, 16000)
    with pytest.raises(ValueError, match="index.json is missing: make the features"):
        TeacherFeatures(tmp_path / "absent")
    conf = {"features": str(directory), "name": "elsewhere"}
    with pytest.raises(ValueError, match="made by the teacher.*somewhere.*elsewhere"):
        Distillation(16000, 320, teacher_conf=conf)
    Distillation(16000, 320, teacher_conf=CONF | {"features": str(directory)})
    distillation = Distillation(16000, 320, {"features": str(directory)})
    parts = torch.nn.Linear(2, 3), torch.randn(1, 2, 1), torch.zeros(1, 320)
    with pytest.raises(ValueError, match="which only espnet_st.bin.codec_train gives"):
        distillation(*parts)
    with pytest.raises(ValueError, match="have 2 dimensions; set semantic_dimension"):
        distillation(*parts, rows=torch.zeros(1, 320, dtype=torch.long))
    with pytest.raises(ValueError, match="75 frames per second, the teacher 50"):
        Distillation(24000, 320, {"features": str(directory)})
    index = json.loads((directory / "index.json").read_text())
    old = {key: index[key] for key in ("teacher_conf", "frames")}
    (directory / "index.json").write_text(json.dumps(old))
    assert TeacherFeatures(directory).hop_length == 320
    index["frames"]["b"] = 5
    (directory / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="an index of 15 frames and 14 of them"):
        TeacherFeatures(directory)
    np.save(directory / "features.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="Python objects"):
        TeacherFeatures(directory)
