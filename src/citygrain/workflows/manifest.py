"""The record of a run: what each step was made of, what it wrote, how long it took and how much memory it needed.

A step whose ingredients (settings, inputs, earlier steps, version) are unchanged and whose files are intact is not
done again. So a run that was killed goes on from its last finished step.
"""

import hashlib
import json
import logging
import platform
import resource
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.workflows.memory import release_memory

__all__ = ["Manifest", "Observer", "fingerprint", "hash_file"]

log = logging.getLogger(__name__)

Observer = Callable[[str, str], None]
"""Called with (step, state), where state is ``"started"``, ``"reused"`` or ``"finished"``."""

_LARGE_MB = 1000.0
"""Peak of a step, in MB, after which memory that it no longer needs is given back: that takes a tenth of a second."""
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "lightning", "rasterio", "xarray", "numba", "h5py")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a folder by name.

    Raises
    ------
    InputError
        If there is nothing at `path`.
    """
    if path.is_dir():
        listed = {str(p.relative_to(path)): hash_file(p) for p in sorted(path.rglob("*")) if p.is_file()}
        return fingerprint(listed)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", wanted="a file") from None


def fingerprint(ingredients: Any) -> str:
    """Return the SHA-256 of plain values.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Manifest:
    """What has been done in an output folder.

    Attributes
    ----------
    folder : Path
        The output folder; the record is ``manifest.json`` in it.
    head : mapping
        Configuration as resolved, seed, input hashes.
    redo : collection of str
        Steps to do again although their files are intact.
    observer : callable, optional
        Told when a step starts, is reused, or ends.
    """

    folder: Path
    head: Mapping[str, Any]
    redo: Collection[str] = ()
    observer: Observer | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    _before: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = {name: step for name, step in self._read().items() if name not in self.redo}

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "manifest.json"

    def step(
        self,
        name: str,
        ingredients: Any,
        outputs: Sequence[str],
        work: Callable[[], None],
        *,
        needs: Sequence[Callable[[], object]] = (),
    ) -> None:
        """Do `work`, unless it was done with the same ingredients and its outputs are intact.

        Parameters
        ----------
        name : str
            Name of the step.
        ingredients : plain values
            All that the outputs depend on.
        outputs : sequence of str
            Files and folders that `work` writes, relative to the output folder.
        work : callable
            Writes the outputs.
        needs : sequence of callable
            Called before `work`, and only then: what it needs in memory, each of them timed on its own.
        """
        mark = self._mark(name, ingredients)
        if self._intact(name, mark, outputs):
            self.steps[name] = self._before[name] | {"reused": True}
            self._tell(name, "reused")
        else:
            for need in needs:
                need()
            with self.timed(name):
                work()
            hashes = {output: hash_file(self.folder / output) for output in outputs}
            self.steps[name] |= {"fingerprint": mark, "outputs": hashes}
        self.write()

    def done(self, name: str, ingredients: Any, outputs: Sequence[str]) -> bool:
        """Return whether a step was done with these ingredients, by this process or, since it began, by another.

        Parameters
        ----------
        name, ingredients, outputs
            As for `step`.
        """
        self._before = self._read()
        return self._intact(name, self._mark(name, ingredients), outputs)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure wall time and peak memory of a step."""
        self._tell(name, "started")
        _reset_peak()
        start = time.perf_counter()
        yield
        seconds, peak = time.perf_counter() - start, _peak_mb()
        self.steps[name] = {"seconds": round(seconds, 3), "peak_mb": round(peak, 1), "reused": False}
        if peak > _LARGE_MB:
            release_memory()
        self._tell(name, "finished")

    def write(self) -> None:
        """Write the record; steps recorded earlier and not reached yet are kept, so that nothing done is lost."""
        record = {**self.head, "steps": {**self._before, **self.steps}}
        write_text(self.path, json.dumps(record, indent=1, default=str) + "\n")

    def listed(self) -> list[dict[str, Any]]:
        """Return the steps of this run in order: name, seconds, peak_mb, reused."""
        keys = ("seconds", "peak_mb", "reused")
        return [{"name": name, **{key: step[key] for key in keys}} for name, step in self.steps.items()]

    def _mark(self, name: str, ingredients: Any) -> str:
        return fingerprint([name, ingredients, self.head["versions"]])

    def _tell(self, name: str, state: str) -> None:
        log.debug("%s: %s", name, state)
        if self.observer:
            self.observer(name, state)

    def _read(self) -> dict[str, Any]:
        try:
            steps = json.loads(self.path.read_text(encoding="utf-8"))["steps"]
            return {str(name): dict(step) for name, step in steps.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s cannot be read: every step is done again", self.path)
            return {}

    def _intact(self, name: str, mark: str, outputs: Sequence[str]) -> bool:
        before = self._before.get(name, {})
        if before.get("fingerprint") != mark or set(before.get("outputs", ())) != set(outputs):
            return False
        try:
            return all(hash_file(self.folder / output) == before["outputs"][output] for output in outputs)
        except InputError:
            return False


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    from citygrain import __version__  # noqa: PLC0415 - the package imports this room lazily

    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {"citygrain": __version__, "python": platform.python_version(), **libraries}


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: forget the peak so far
    except OSError:
        log.debug("peak memory is counted from the start of the process")


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024**2 if sys.platform == "darwin" else 1024)
