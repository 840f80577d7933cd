"""The processes that train one network together: one for each device, started here, averaged here.

Lightning's own launchers run the user's whole command once more for each device, or move all of the training into
children. Here the caller's process is the first of the crew and the others only help: they get the network and the
rows, train beside it, write nothing, and end with it.
"""

import contextlib
import multiprocessing
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pickle import PicklingError  # multiprocessing's own, when it sends what a helper needs
from typing import Literal, TypeVar

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch import Tensor, distributed

from citygrain.errors import CitygrainError, InputError
from citygrain.models.devices import Devices

__all__ = ["Crew", "average", "crew", "joined_parts", "total"]

Task = TypeVar("Task")

_LOOPBACK = "127.0.0.1"
_START: Literal["spawn"] = "spawn"
"""How a helper begins: as a new process, since a copy of one that has used a GPU cannot use it."""
_PATIENCE = 5.0
"""Seconds that a helper has to end by itself after the last step."""


class Crew(ClusterEnvironment):
    """Who takes part in a training, as Lightning asks for it.

    Parameters
    ----------
    devices : Devices
        All that take part.
    address : str
        Host and port of the first process.
    local : int
        Which process of this machine this is.
    """

    def __init__(self, devices: Devices, address: str, local: int = 0) -> None:
        super().__init__()
        self.devices, self.address, self._local = devices, address, local

    @property
    def creates_processes_externally(self) -> bool:
        """Lightning starts none."""
        return True

    @property
    def main_address(self) -> str:
        """Host of the first process."""
        return self.address.rpartition(":")[0]

    @property
    def main_port(self) -> int:
        """Its port."""
        return int(self.address.rpartition(":")[2])

    @staticmethod
    def detect() -> bool:
        """Never found by itself."""
        return False

    def world_size(self) -> int:
        """Return the number of processes on all machines."""
        return self.devices.world

    def set_world_size(self, size: int) -> None:
        """Do nothing: it is known already."""

    def global_rank(self) -> int:
        """Return which of all processes this is."""
        return self.devices.node * self.devices.count + self._local

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: it is known already."""

    def local_rank(self) -> int:
        """Return which process of this machine this is."""
        return self._local

    def node_rank(self) -> int:
        """Return which machine this is."""
        return self.devices.node


@contextlib.contextmanager
def crew(devices: Devices, work: Callable[[Task, Crew], object], task: Task) -> Iterator[Crew | None]:
    """Start a helper for each further device of this machine, and end them all; None where one device is enough.

    Parameters
    ----------
    devices : Devices
        All that take part.
    work : callable
        What a helper does, a function of a module; called with `task` and its place in the crew.
    task : object
        Sent to each helper.

    Raises
    ------
    InputError
        If the rows cannot be sent to another process.
    CitygrainError
        If a helper ended before its work was done.
    """
    if devices.world == 1:
        yield None
        return
    address = devices.address if devices.nodes > 1 else f"{_LOOPBACK}:{_free_port()}"
    helpers: list[BaseProcess] = []
    try:
        for local in range(1, devices.count):
            helpers += [_started(work, task, Crew(devices, address, local))]
        yield Crew(devices, address)
        _disband()
        for helper in helpers:
            helper.join(_PATIENCE)
    except RuntimeError as error:
        lost = [helper.exitcode for helper in helpers if helper.exitcode]
        if not lost:
            raise
        raise CitygrainError(
            f"a process that helped to train ended with code {lost[0]}", mend="train on fewer devices"
        ) from error
    finally:
        _disband()
        for helper in helpers:
            helper.kill()
            helper.join()


def average(tensors: Sequence[Tensor], weight: Tensor) -> None:
    """Replace each tensor by its mean over all processes, each of which counts by its `weight`.

    All of them travel as one message, since a message costs more than its bytes.

    Parameters
    ----------
    tensors : sequence of Tensor
        The same shapes in every process.
    weight : Tensor, ()
        Above 0.
    """
    weight = weight.detach().float().reshape(1)
    message = torch.cat([*(tensor.detach().float().reshape(-1) * weight for tensor in tensors), weight])
    distributed.all_reduce(message)
    message = message[:-1] / message[-1]
    parts = torch.split(message, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.detach().copy_(part.reshape(tensor.shape))


def total(values: Iterable[float], device: torch.device) -> list[float]:
    """Return the sums of `values` over all processes."""
    sums = torch.tensor(list(values), dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    return [float(value) for value in sums]


def joined_parts(part: Tensor, rows: slice, n: int) -> Tensor:
    """Return (n, k), the rows of all processes put together; `part` are the `rows` of this one.

    Parameters
    ----------
    part : Tensor, (m, k)
        At least one row; where `rows` is empty, it counts for nothing.
    rows : slice
        Where they belong. Each of the n rows belongs to one process.
    n : int
        Rows of all processes.
    """
    whole = part.new_zeros((n, part.shape[1]))
    whole[rows] = part[: rows.stop - rows.start]
    distributed.all_reduce(whole)
    return whole


def _started(work: Callable[[Task, Crew], object], task: Task, place: Crew) -> BaseProcess:
    helper = multiprocessing.get_context(_START).Process(target=_help, args=(work, task, place), daemon=True)
    try:
        helper.start()
    except (PicklingError, TypeError, AttributeError) as error:
        raise InputError(
            f"rows that cannot be sent to another process ({error})", wanted="rows in memory or in files",
            mend="train on one device",
        ) from error  # fmt: skip
    return helper


def _help(work: Callable[[Task, Crew], object], task: Task, place: Crew) -> None:
    """Do a helper's part: Ctrl-C is for the first process, which then ends this one and says what was wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(CitygrainError):
        work(task, place)
    _disband()


def _disband() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
