"""Computing in bfloat16 on a CPU; on a GPU ESPnet's `use_amp` rules."""

import contextlib

import torch

PRECISIONS = ("auto", "on", "off")


def precision(bfloat16: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Enter the precision to compute in.

    Args:
        bfloat16: `"on"` for bfloat16 on every CPU, `"auto"` on those that have the
            matrix units for it (AMX), `"off"` for never.
        device: Where to compute.
    """
    on = bfloat16 == "on" or (bfloat16 == "auto" and has_amx())
    if device.type != "cpu" or not on:
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


def has_amx() -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware."""
    check = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(check and check())
