"""The command that opens TensorBoard on the trainings of a folder."""

import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from citygrain.cli.console import console


def board(
    folder: Annotated[Path, typer.Argument(help="Folder of runs, or one run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 6006,
    host: Annotated[
        str, typer.Option(help="Address to answer at. Others than the default let anybody on the network look on.")
    ] = "127.0.0.1",
) -> None:
    """Open TensorBoard on all trainings below a folder, until Ctrl-C; those that run now are shown as they go on."""
    from citygrain.models.board_server import find_logs, serve_board

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell takes it from what it starts in the background
    with serve_board(folder, host=host, port=port) as address, suppress(KeyboardInterrupt):
        logs = len(find_logs(folder))
        console.print(
            f"TensorBoard on {logs} {'log' if logs == 1 else 'logs'}: {address} (Ctrl-C ends it)", markup=False
        )
        threading.Event().wait()
