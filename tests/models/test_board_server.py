"""`citygrain board`: what it refuses in one line, and that it leaves when asked."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.models.board_events import EventLog
from citygrain.models.board_server import find_logs

PROGRAM = "import sys; from citygrain.cli import main; sys.argv[0] = 'citygrain'; main()"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    log = EventLog(tmp_path / "a/tensorboard")
    log.scalars({"loss/train": 0.5, "unknown": float("nan")}, step=1)
    log.close()
    return tmp_path


def board(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-u", "-c", PROGRAM, "board", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_logs_are_found_below_the_folder(runs: Path) -> None:
    assert find_logs(runs) == [runs / "a/tensorboard"]
    with pytest.raises(InputError, match="holds no log"):
        (runs / "empty").mkdir()
        find_logs(runs / "empty")
    with pytest.raises(InputError, match="is no folder; wanted: a folder of runs"):
        find_logs(runs / "nowhere")


@pytest.mark.slow
def test_it_answers_and_leaves_at_ctrl_c(runs: Path) -> None:
    with board(str(runs), "--port", "0") as server:
        line = server.stdout.readline()  # type: ignore[union-attr]
        assert line.startswith("TensorBoard on 1 log: http://127.0.0.1:"), line
        with urllib.request.urlopen(f"{line.split()[4]}data/plugin/scalars/tags") as answer:  # noqa: S310
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        assert (server.wait(60), server.stderr.read()) == (0, "")  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_port_that_is_taken_is_answered_in_one_line(runs: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with board(str(runs), "--port", str(taken.getsockname()[1])) as server:
            out, said = server.communicate(timeout=120)
    assert server.returncode == 2 and out == ""
    assert said.startswith("citygrain: address 127.0.0.1:") and said.count("\n") == 1, said
