"""Computing in bfloat16 on a CPU; on a GPU ESPnet's `use_amp` rules."""

import contextlib
from functools import lru_cache

import torch

from espnet_st.kernels.processor import has_amx, usable_dtype

PRECISIONS = ("auto", "on", "off")


def autocast(bfloat16: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Enter the precision to compute in.

    Args:
        bfloat16: `"on"` for bfloat16 on every CPU that has instructions for it (others
            warn), `"auto"` on those that have matrix units for it (AMX), `"off"` for
            never.
        device: Where to compute.
    """
    if device.type != "cpu" or not _computes_in_half(bfloat16):
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


@lru_cache  # one warning is enough
def _computes_in_half(bfloat16: str) -> bool:
    if bfloat16 == "auto":
        return has_amx()
    return bfloat16 == "on" and usable_dtype("bfloat16", "cpu") == "bfloat16"
