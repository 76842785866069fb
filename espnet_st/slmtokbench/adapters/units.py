"""Units of a speech model by k-means, without a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from torch import Tensor

from espnet_st.inference.unit_coding import UnitCoding
from espnet_st.slmtokbench.adapters.base import Adapter

KEYS = {"name", "units_file"}


class UnitsAdapter(Adapter):
    """A speech model and a file of centroids, named in a YAML file.

    `name` is the model's directory or name, `units_file` the centroids'; a relative one
    is looked for beside the YAML file first.
    """

    name = "units"
    describes = "a YAML file with the keys name and units_file"

    def __init__(self, source: str, device: str = "cpu"):
        super().__init__(source, device)
        conf = _read(Path(source))
        if conf is None:
            raise ValueError(
                f"{source}: expected a YAML file with 'name: MODEL' and 'units_file: "
                "CENTROIDS.npy'"
            )
        beside = Path(source).parent
        places = {
            key: str(beside / value) if (beside / value).exists() else value
            for key, value in conf.items()
        }
        self.units = UnitCoding(places["name"], places["units_file"], device)

    @classmethod
    def recognizes(cls, source: Path) -> bool:
        """Tell whether it is a YAML file with both keys."""
        return source.suffix in (".yaml", ".yml") and _read(source) is not None

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.units.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.units.hop_length

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Number of units."""
        return (len(self.units.centroids),)

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Centroids (K, D)."""
        return [self.units.centroids.numpy()]

    def encode(
        self, wavs: Sequence[np.ndarray | Tensor], sample_rate: int | None = None
    ) -> list[Tensor]:
        """Encode waveforms, see `UnitCoding.encode_batch`."""
        return self.units.encode_batch(wavs, sample_rate)


def _read(source: Path) -> dict[str, str] | None:
    """Read the two names, or None if it is no such file."""
    if not source.is_file():
        return None
    try:
        conf = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    if not isinstance(conf, dict) or not KEYS <= set(conf):
        return None
    return {key: str(conf[key]) for key in KEYS}
