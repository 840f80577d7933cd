"""What commands say: bars on a terminal, nothing when piped, one line for a mistake."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["aside", "console", "say", "say_error", "show_progress", "show_steps"]

console = Console(highlight=False, soft_wrap=True)
"""Results, on standard output."""
aside = Console(stderr=True, highlight=False, soft_wrap=True)
"""Bars and choices, on standard error; one console for both, so that they do not write over each other."""

_COMMAND = re.compile(r"`([^`\n]+)`")

Tick = Callable[[int, int], None]


class _Rate(ProgressColumn):
    """Units per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, or nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed else "")


def say(sentence: str) -> None:
    """Print a sentence as it is, without the backticks around its commands."""
    console.print(_COMMAND.sub(r"\1", sentence), markup=False)


def say_error(message: str) -> int:
    r"""Write one line to standard error and return exit code 2; what would break the line or move a cursor is named.

    Examples
    --------
    >>> import io
    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(io.StringIO()) as said:
    ...     say_error("a" + chr(10) + "b" + chr(27))
    2
    >>> print(said.getvalue(), end="")
    citygrain: a\nb\x1b
    """
    plain = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in message)
    sys.stderr.write(f"citygrain: {plain}\n")
    return 2


@contextmanager
def show_progress(unit: str) -> Iterator[Tick]:
    """Show a bar with rate and time left on a terminal; nothing when piped."""
    with _bar() as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def show_steps() -> Iterator[tuple[Callable[[str, str], None], Tick]]:
    """Show the steps of a run as they come, with a bar for the long ones; nothing when piped."""
    with _bar() as bar:

        def observer(name: str, state: str) -> None:
            for task in bar.task_ids:
                bar.remove_task(task)
            if state == "started":
                bar.add_task(name, total=None)
            elif aside.is_terminal:
                aside.print(f"{name:>10}  {state}")

        def tick(done: int, total: int) -> None:
            for task in bar.task_ids:
                bar.update(task, completed=done, total=total)

        yield observer, tick


def _bar() -> Progress:
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=aside, transient=True, disable=not aside.is_terminal)
