"""The command line in this process, as the console script runs it."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Command", "Said"]


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Said]
