"""What a client of dask still holds."""

import gc
import time

from distributed import Client

__all__ = ["all_forgotten"]


def all_forgotten(client: Client, *, patience: float = 10.0) -> bool:
    """Tell whether no future is left: one that is dropped here is forgotten by dask's own thread a little later."""
    until = time.monotonic() + patience
    while client.futures and time.monotonic() < until:
        gc.collect()  # one that failed is held by its own traceback
        time.sleep(0.01)
    return not client.futures
