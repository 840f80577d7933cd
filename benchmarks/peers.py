"""The way to peers that live in an environment of their own (`.venv-peers`): Keras on TensorFlow, and OpenCV.

One process stays up while a benchmark runs, so that what a peer loads and traces is paid once, before anything counts.
It is asked in lines of JSON and given arrays as files; it measures its own time.
"""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

from benchmarks.frame import ROOT

__all__ = ["MissingError", "Peers"]

PYTHON = ROOT / ".venv-peers/bin/python"


class MissingError(Exception):
    """A peer or data that a benchmark needs and that is not there."""


class Peers:
    """A process that answers for the peers; use it with ``with``.

    Raises
    ------
    MissingError
        If the environment is not there.
    """

    def __init__(self) -> None:
        if not PYTHON.exists():
            raise MissingError("the peers are not installed: make bench")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
        self._said = TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [PYTHON, "-m", "benchmarks.peer_process"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | quiet,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
        self._said.close()

    def ask(self, call: str, **words: Any) -> dict[str, Any]:
        """Ask for one of the calls of `benchmarks.peer_process`; return its answer."""
        plain = {name: str(word) if isinstance(word, Path) else word for name, word in words.items()}
        self._process.stdin.write(json.dumps({"call": call, **plain}) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            raise RuntimeError(f"the peers' process ended with {code} at {call}:\n{self._said.read()[-4000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer
