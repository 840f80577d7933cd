"""Half precision where it pays: bfloat16 in channels-last order on processors that multiply it, float32 elsewhere.

Without the instructions bfloat16 is emulated and slower than float32, so the processor is asked first.
"""

import functools
from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["autocast", "bf16_pays"]


@functools.cache
def bf16_pays() -> bool:
    """Return whether this processor multiplies bfloat16 matrices itself (``amx_bf16`` or ``avx512_bf16``).

    Examples
    --------
    >>> bf16_pays() in (True, False)
    True
    """
    flags = [
        getattr(torch.cpu, name, None)
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private, so absence means no
    ]
    return bool(torch._C._has_mkldnn) and any(flag is not None and bool(flag()) for flag in flags)


def autocast(bf16: bool) -> AbstractContextManager[object]:
    """Return the context in which a network runs: bfloat16 for the products, or nothing special.

    Each weight is used once, so no cast is kept: threads would share it.
    """
    return torch.autocast("cpu", torch.bfloat16, cache_enabled=False) if bf16 else nullcontext()
