"""From a box and some days to a folder that a run takes: images found, one composite made, everything noted.

Windows are made one after the other and kept as they are finished, so a fetch that was killed goes on where it was. A
lock names the images; with it the same command gives the same pixels, or says what has changed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from citygrain.errors import CitygrainError, InputError
from citygrain.files import make_folder, refuse_full_disk, sole_use
from citygrain.imagery.area import grid_for
from citygrain.imagery.lock import Lock, changes, make_lock, read_lock, request_changes, write_lock
from citygrain.imagery.plan import FetchPlan, make_plan
from citygrain.imagery.transport import Transport, gdal_traffic
from citygrain.imagery.windows import reach_m
from citygrain.tiles import Progress
from citygrain.workflows.fetching.fetch_files import digests
from citygrain.workflows.fetching.fetch_request import FetchRequest, Gathered, gather
from citygrain.workflows.fetching.fetch_scenes import written_bytes
from citygrain.workflows.fetching.fetch_windows import Scratch
from citygrain.workflows.fetching.fetch_work import FetchWork
from citygrain.workflows.memory import MemoryPlan

__all__ = ["FetchOptions", "Fetched", "fetch", "plan_fetch"]

log = logging.getLogger(__name__)

LOCK = "fetch.lock.json"
Observer = Callable[[str, str], None]


@dataclass(frozen=True)
class FetchOptions:
    """How a fetch is done; no pixel depends on it.

    Attributes
    ----------
    workers : int
        Files read at a time.
    memory : str, optional
        ``"2GB"``; half of the machine's without it.
    update : bool
        Take what the catalogues have now, whatever the lock says.
    secrets : mapping of str to str
        By the names of environment variables.
    transport : Transport
        Asks the catalogues.
    """

    workers: int = 4
    memory: str | None = None
    update: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    transport: Transport = field(default_factory=Transport)


@dataclass(frozen=True)
class Fetched:
    """What came of a fetch.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    files : tuple of str
        Their names.
    images : mapping of str to int
        How many images of each product.
    pixels : int
        Of the grid.
    seen : float
        Share of the pixels that were clear at least once.
    requests, bytes : int or None
        What was asked of the servers and came from them.
    said : tuple of str
        Lines about images that were not used.
    reused : bool
        Whether everything was there already.
    """

    folder: Path
    files: tuple[str, ...]
    images: Mapping[str, int]
    pixels: int
    seen: float
    requests: int | None
    bytes: int | None
    said: tuple[str, ...]
    reused: bool = False


def plan_fetch(request: FetchRequest, options: FetchOptions | None = None) -> FetchPlan:
    """Return what a fetch would read.

    Raises
    ------
    InputError
        If there is nothing to be found, or a catalogue cannot be reached.
    """
    how = options or FetchOptions()
    found = gather(request, how.transport, secrets=how.secrets)
    return _plan(request, found, how.workers)


def fetch(
    request: FetchRequest,
    out: Path,
    options: FetchOptions | None = None,
    *,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Fetch imagery of an area into a folder.

    Writes ``s2.tif`` (reflectance in ten-thousandths, 0 = no data), ``clear.tif`` (clear observations), ``s1.tif``
    (linear power), ``worldcover.tif``, ``city.toml``, ``sources.json`` and ``fetch.lock.json``.

    Parameters
    ----------
    request : FetchRequest
        What is asked for.
    out : Path
        The folder.
    options : FetchOptions, optional
        How it is done.
    observer : callable, optional
        Called with the name of a step and ``"started"`` or what came of it.
    progress : callable, optional
        Called with (done, total) windows.

    Raises
    ------
    InputError
        If nothing is found, a file cannot be read, or what the lock names has changed.
    OutputError
        If the disk cannot hold the copies of the images, or a file cannot be written.
    """
    how, tell = options or FetchOptions(), observer or (lambda _, __: None)
    before = gdal_traffic()
    old = None if how.update else read_lock(out / LOCK)
    _refuse_other_request(old, request, out)
    tell("search", "started")
    found = gather(request, how.transport, lock=old, secrets=how.secrets)
    lock = make_lock(request.to_json(), _grid(request), found.sets, how.transport, workers=how.workers)
    _refuse_changes(old, lock, found)
    make_folder(out)  # nothing is left where something above was refused
    tell("search", f"{sum(len(each.observations) for each in found.sets)} images")
    with sole_use(out):
        reused = old is not None and _there(out, old)
        if reused and old is not None:
            results, seen = old["results"], old["seen"]
        else:
            work = FetchWork(request, out, found.sets, _grid(request), Scratch(out / ".fetch", _made_for(lock)))
            _refuse_full_disk(work, lambda: _plan(request, found, how.workers))
            seen = work.make(tell, progress, memory=MemoryPlan.of(how.memory).limit, workers=how.workers)
            results = digests(out, work.images)
            write_lock(out / LOCK, lock | {"results": results, "seen": seen})
            _tell_results(old, results)
            work.scratch.clear()
    requests, received = _traffic(before, how.transport)
    return Fetched(
        folder=out,
        files=(*results, "city.toml", "sources.json", LOCK),
        images={each.product: len(each.observations) for each in found.sets},
        pixels=int(np.prod(_grid(request).shape)),
        seen=seen,
        requests=requests,
        bytes=received,
        said=found.left_out,
        reused=reused,
    )


def _refuse_full_disk(work: FetchWork, plan: Callable[[], FetchPlan]) -> None:
    """Refuse to begin where the disk cannot hold copies and results; what an earlier fetch left is there already."""

    def need() -> dict[str, int]:
        planned = plan()
        return {"copies": planned.disk, "written": planned.written}

    try:
        whole = work.scratch.note("room", need)
    except CitygrainError:
        work.scratch.clear()  # nothing had been read
        raise
    left = whole["copies"] + whole["written"] - work.scratch.held_bytes()
    refuse_full_disk(work.out, left, what="copies of the images and what is made of them")


def _traffic(before: tuple[int, int] | None, transport: Transport) -> tuple[int | None, int | None]:
    after = gdal_traffic()
    if before is None or after is None:
        return None, None
    own = transport.traffic
    return after[0] - before[0] + own.requests, after[1] - before[1] + own.bytes


def _grid(request: FetchRequest) -> GeoBox:
    return grid_for(request.area, resolution=request.resolution, crs=request.crs)


def _plan(request: FetchRequest, found: Gathered, workers: int) -> FetchPlan:
    around, grid = reach_m(request.method, request.dilation), _grid(request)
    written = written_bytes(found.sets, request, grid)
    return make_plan(grid, found.sets, around_m=around, left_out=found.left_out, written=written, workers=workers)


def _made_for(lock: Lock) -> dict[str, Any]:
    return {key: lock[key] for key in ("request", "grid", "versions", "sources")}


def _refuse_other_request(old: Lock | None, request: FetchRequest, out: Path) -> None:
    said = request_changes(old, request.to_json()) if old else []
    if said:
        raise InputError(
            f"{out} holds another fetch ({'; '.join(said[:3])})", mend="choose another --out, or replace it by --update"
        )


def _refuse_changes(old: Lock | None, new: Lock, found: Gathered) -> None:
    """Refuse to go on where the images of the lock are not there as they were; each one is logged."""
    if old is None:
        return
    if found.new:
        log.warning(
            "%d images are new since the lock (%s); --update takes them", len(found.new), ", ".join(found.new[:3])
        )
    said = changes(old, new)
    for line in said:
        log.warning("%s", line)
    if said:
        raise InputError(
            f"{len(said)} changes since {LOCK}: {'; '.join(said[:3])}",
            wanted="the same images",
            mend="accept what is there now by --update",
        )


def _there(out: Path, old: Lock) -> bool:
    """Tell whether the images of an earlier fetch are all there, byte for byte."""
    results = old.get("results", {})
    return bool(results) and all((out / name).is_file() for name in results) and digests(out, list(results)) == results


def _tell_results(old: Lock | None, now: Mapping[str, str]) -> None:
    if old is None or "results" not in old:
        return
    other = sorted(name for name in now if old["results"].get(name) != now[name])
    if other:
        log.warning("other pixels or another compression than before in %s", ", ".join(other))
    else:
        log.info("the same files as before, byte for byte")
