"""A tiny teacher, units of it, and a codec of these units, for tests of several rooms."""

from pathlib import Path

import torch
import yaml
from tiny import HUBERT, LOSSES, SPECTRAL

from espnet_st.codec.hubert_units import HubertUnits
from espnet_st.codec.teacher.teacher import build_teacher
from espnet_st.codec.teacher.units import write_units

HIFIGAN = {
    "channels": 32,
    "upsample_scales": [8, 5, 4, 2],
    "resblock_kernel_sizes": [3],
    "resblock_dilations": [[1, 3]],
}
DECODERS = {"hifigan": HIFIGAN, "spectral": SPECTRAL}
WIDTH, K, LAYER = 12, 7, 2
UNITS = LOSSES | {"dimension": WIDTH, "semantic_dimension": K, "embedding_dimension": 6}


def save_teacher_with_units(directory: Path) -> dict[str, str]:
    """Write `exp/teacher` and `exp/units` of a recipe; return their `teacher_conf`."""
    from transformers import HubertConfig, HubertModel

    from espnet_st.codec.teacher.small.model import save_teacher

    torch.manual_seed(0)
    teacher, units = directory / "exp/teacher", directory / "exp/units/units.npy"
    save_teacher(HubertModel(HubertConfig(**HUBERT)), teacher)
    features = build_teacher(str(teacher), LAYER)(0.1 * torch.randn(2, 16000))
    # Some frames, so that all units come up.
    write_units(units, features[0, 1::7][:K].contiguous(), LAYER)
    return {"name": str(teacher), "layer": "units", "units_file": str(units)}


def make_units(teacher: dict[str, str], decoder="spectral", **conf) -> HubertUnits:
    """Build a codec of units that has not seen its units yet."""
    torch.manual_seed(1)
    parts = {"decoder": decoder, "decoder_conf": DECODERS[decoder]}
    return HubertUnits(**(UNITS | parts | {"teacher_conf": teacher} | conf))


def save_units(directory: Path, model: HubertUnits, teacher: dict[str, str], decoder):
    """Write an experiment directory as ESPnet leaves it."""
    directory.mkdir(parents=True)
    state = {f"codec.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, directory / "latest.pth")
    parts = {"decoder": decoder, "decoder_conf": DECODERS[decoder]}
    conf = UNITS | parts | {"teacher_conf": teacher}
    config = {"codec": "hubert_units", "codec_conf": conf}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
