"""Computing in bfloat16 on a CPU; on a GPU ESPnet's `use_amp` decides."""

from __future__ import annotations

import contextlib
from functools import lru_cache

import torch

from espnet_st.kernels.processor import has_amx, usable_dtype

PRECISIONS = ("auto", "on", "off")


def read_switch(setting: str | bool) -> str:
    """Read a setting of `on`, `off` or other words as a string.

    YAML reads a bare `on` or `off` as a Boolean, in a file as on ESPnet's command line.
    """
    if isinstance(setting, bool):
        return "on" if setting else "off"
    return setting


def autocast(bfloat16: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Enter the precision to compute in.

    Args:
        bfloat16: `"on"` for bfloat16 on every CPU that has instructions for it (others
            warn), `"auto"` on those that have matrix units for it (AMX), `"off"` for
            never.
        device: Where to compute.

    Returns:
        A context manager.
    """
    if device.type != "cpu" or not _computes_in_half(bfloat16):
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


@lru_cache  # one warning is enough
def _computes_in_half(bfloat16: str) -> bool:
    """Tell whether this CPU computes in bfloat16 under a setting."""
    if bfloat16 == "auto":
        return has_amx()
    return bfloat16 == "on" and usable_dtype("bfloat16", "cpu") == "bfloat16"
