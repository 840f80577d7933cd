"""What looks on while a model trains: progress, TensorBoard, and checkpoints that an interrupted training uses."""

import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from citygrain.errors import InputError
from citygrain.models.catalogue import ModelName
from citygrain.models.devices import ONE, Devices
from citygrain.tiles import Progress

if TYPE_CHECKING:
    from citygrain.models.hooks import Hooks
    from citygrain.models.tensorboard import Board

log = logging.getLogger(__name__)

__all__ = ["imported_meanwhile", "training_hooks", "wait_for"]

_PATIENCE = 3600.0
"""Seconds that a machine waits for what the first one does alone."""


@contextmanager
def imported_meanwhile(model: ModelName) -> Iterator[None]:
    """Import what the training of a network needs, PyTorch and Lightning, while a block of other work is done.

    That takes seconds on one core, which compiled work on another one does not wait for.
    """
    if model == "forest":
        yield
        return
    ahead = threading.Thread(target=importlib.import_module, args=("citygrain.models.tensorboard",))
    ahead.start()
    try:
        yield
    finally:
        ahead.join()


def training_hooks(
    model: ModelName,
    progress: Progress | None,
    checkpoint: Path | None,
    board: "Board | None" = None,
    *,
    devices: Devices = ONE,
) -> "Hooks | None":
    """Return what looks on while a network trains; None for a forest, which needs no PyTorch.

    Where several machines train, it is the first of them that is looked on.
    """
    if model == "forest":
        return None
    from citygrain.models.hooks import Hooks  # noqa: PLC0415 - PyTorch only for a network

    if not devices.leads:
        return Hooks(checkpoint=checkpoint)
    return Hooks(progress=progress, checkpoint=checkpoint, callbacks=[board] if board is not None else [])


def wait_for(ready: Callable[[], bool], what: str, *, seconds: float = _PATIENCE) -> None:
    """Wait until the first of several machines has done what it does alone.

    Parameters
    ----------
    ready : callable
        Whether it is there.
    what : str
        How a message calls it.
    seconds : float
        How long to wait at most.

    Raises
    ------
    InputError
        If it does not come.
    """
    log.info("waiting for the first machine: %s", what)
    start = time.monotonic()
    while not ready():
        if time.monotonic() - start > seconds:
            raise InputError(
                f"nothing of the first machine ({what}) after {seconds:.0f} seconds",
                wanted="the same command on each machine, and an output folder that all of them share",
            )
        time.sleep(min(1.0, seconds / 10))
