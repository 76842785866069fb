"""What the processor at hand can do."""

from __future__ import annotations

import logging

import torch


def has_avx512() -> bool:
    """Tell whether torch uses 512-bit vectors here.

    `ATEN_CPU_CAPABILITY`, which imitates a lesser processor, is heeded.
    """
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def has_amx() -> bool:
    """Tell whether this processor multiplies bfloat16 matrices in tiles."""
    return has_avx512() and _supports("_is_amx_tile_supported")


def has_bfloat16() -> bool:
    """Tell whether this processor has instructions that multiply bfloat16."""
    return has_amx() or (has_avx512() and _supports("_is_avx512_bf16_supported"))


def _supports(check: str) -> bool:
    """Ask torch, whose older releases do not know all of these checks."""
    ask = getattr(torch.cpu, check, None)
    return bool(ask and ask())


def usable_dtype(dtype: str, device: str) -> str:
    """Choose the type to compute in.

    Args:
        dtype: What was asked for. `auto` is what is fast and near to float32:
            bfloat16 where there are instructions for it, else float32.
        device: Where to compute.

    Returns:
        `dtype`, but float32, with a warning, for bfloat16 on a processor that would
        only imitate it, at a fraction of the speed of float32.
    """
    able = torch.device(device).type != "cpu" or has_bfloat16()
    if dtype == "auto":
        return "bfloat16" if able else "float32"
    if dtype == "bfloat16" and not able:
        logging.warning(
            "this processor has no instructions for bfloat16, which would be slower "
            "than float32: computing in float32"
        )
        return "float32"
    return dtype
