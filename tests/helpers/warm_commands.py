"""`citygrain` for many commands in a row: each a process of its own that finds the libraries loaded.

    python warm_commands.py SOCKET

Importing PyTorch, Lightning and scikit-learn takes longer than most commands of the pages. A process here has imported
them once; a command is a copy of it (a fork), which imports all of citygrain itself, as the console script does, with
its own arguments, folder, environment and streams. It serves until its standard input ends.
"""

import gc
import importlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["warm_commands"]

_LIBRARIES = (
    "numpy", "scipy.ndimage", "scipy.optimize", "scipy.stats", "xarray", "odc.geo.xr", "rasterio", "geopandas", "h5py",
    "numba", "sklearn.ensemble", "skops.io", "torch", "lightning.pytorch", "matplotlib.figure", "jinja2", "pydantic",
    "typer", "rich.logging",
)  # fmt: skip
_CLIENT = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1:2] == ["board"]:  # is ended by a signal
    os.execv({script!r}, [{script!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"!"], [0, 1, 2])
    server.sendall(json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16)))
"""


@contextmanager
def warm_commands(folder: Path) -> Iterator[Path]:
    """Serve for a while; give the folder of a `citygrain` that is asked for as the console script is."""
    address, script = folder / "socket", Path(sys.executable).parent / "citygrain"
    client = folder / "bin/citygrain"
    client.parent.mkdir()
    client.write_text(_CLIENT.format(python=sys.executable, script=str(script), address=str(address)), encoding="utf-8")
    client.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen()
        command = [sys.executable, __file__, str(listening.fileno())]
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, pass_fds=[listening.fileno()], **quiet)  # type: ignore[call-overload]
    with server:  # which closes its standard input
        yield client.parent


def _serve(listening: socket.socket) -> None:
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        asking, _ = listening.accept()
        if not os.fork():
            listening.close()
            _keep(asking)
            return
        asking.close()
        with suppress(ChildProcessError):  # there is none
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(asking: socket.socket) -> None:
    """Run the command in one more copy, so that whatever ends it is told."""
    _, streams, _, _ = socket.recv_fds(asking, 1, 3)
    with asking.makefile("rb") as request:
        arguments, folder, environment = json.loads(request.read())
    command = os.fork()
    if not command:
        asking.close()
        _run(streams, arguments, folder, environment)
        return
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    asking.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _run(streams: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    for stream, own in enumerate(streams):
        os.dup2(own, stream)
        os.close(own)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    from citygrain.cli import main

    main()


if __name__ == "__main__":
    del sys.path[0]  # this folder
    _serve(socket.socket(fileno=int(sys.argv[1])))
