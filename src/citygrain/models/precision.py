"""Where a network computes, and in which precision: on a GPU if there is one; in bfloat16 where that is quicker.

Without the instructions bfloat16 is emulated and slower than float32, so the processor is asked first.
"""

import functools
from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["autocast", "bf16_pays", "device"]


def device() -> torch.device:
    """Return where a network computes: the first GPU, or the processor where there is none.

    Examples
    --------
    >>> device().type in ("cuda", "cpu")
    True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@functools.cache
def bf16_pays() -> bool:
    """Return whether the GPU, or this processor (``amx_bf16`` or ``avx512_bf16``), multiplies bfloat16 matrices itself.

    Examples
    --------
    >>> bf16_pays() in (True, False)
    True
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = [
        getattr(torch.cpu, name, None)
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private, so absence means no
    ]
    return bool(torch._C._has_mkldnn) and any(flag is not None and bool(flag()) for flag in flags)


def autocast(bf16: bool, kind: str = "cpu") -> AbstractContextManager[object]:
    """Return the context in which a network runs on a `kind` of device: bfloat16 for the products, or nothing special.

    Each weight is used once, so no cast is kept: threads would share it.
    """
    return torch.autocast(kind, torch.bfloat16, cache_enabled=False) if bf16 else nullcontext()
