"""TensorBoard, started on all runs below a folder; it answers this machine alone, unless told otherwise."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from citygrain.errors import InputError

__all__ = ["find_logs", "serve_board"]

_EVENTS = "events.out.tfevents.*"


def find_logs(folder: Path) -> list[Path]:
    """Return the folders below `folder` that hold event files.

    Raises
    ------
    InputError
        If there is no such folder, or no log in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", wanted="a folder of runs, such as runs/")
    found = sorted({path.parent for path in folder.rglob(_EVENTS)})
    if not found:
        raise InputError(
            f"{folder} holds no log of TensorBoard",
            wanted="a folder of runs whose networks were trained with tensorboard = true",
        )
    return found


@contextlib.contextmanager
def serve_board(folder: Path, *, host: str = "127.0.0.1", port: int = 6006) -> Iterator[str]:
    """Serve TensorBoard on all runs below a folder while the block runs; gives its address.

    Parameters
    ----------
    folder : Path
        Folder of runs.
    host : str
        Address to answer at; the default answers this machine alone. TensorBoard asks nobody for a password.
    port : int
        Port; 0 takes a free one.

    Raises
    ------
    InputError
        If the folder holds no log, or the address or port cannot be had.
    """
    find_logs(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"tensorboard\.")  # of its own old parts
        from tensorboard import program  # noqa: PLC0415 - a second to load

    server = program.TensorBoard()
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    arguments = ["", "--logdir", str(folder), "--host", host, "--port", str(port), "--load_fast", "false"]
    arguments += ["--reload_interval", "5", "--reload_multifile", "true"]
    server.configure(argv=arguments)
    yield _launched(server, host, port)


def _launched(server: Any, host: str, port: int) -> str:
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it says in three lines what we say in one
            return str(server.launch())
    except (_refusal(), OSError, SystemExit) as error:
        raise InputError(
            f"address {host}:{port} cannot be had", wanted="a free port of this machine", mend="try --port 0"
        ) from error


def _refusal() -> type[Exception]:
    """Return what TensorBoard raises where it cannot answer at an address."""
    from tensorboard.program import TensorBoardServerException  # noqa: PLC0415 - a second to load

    found: type[Exception] = TensorBoardServerException
    return found
