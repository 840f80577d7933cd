"""Fetching a cloud-free Sentinel-2 composite, beside plain `odc.stac.load` and `numpy.nanmedian` on the same server.

    python -m benchmarks.fetching [--quick]

A made catalogue (six days of a synthetic city, ten bands and classes, COGs of blocks of 256 pixels) is served on
loopback, which counts. Both get its middle, 60 % of its width and height, over one summer, from the five days of less
than 60 % cloud; both mask by the same classes and take the median. The peer is what one would write: search, load
everything, mask, nanmedian; ours also grows the clouds, decides the offset from the numbers, counts clear observations,
locks and resumes. Bytes and requests are the server's own count of the imagery, for each output pixel or Mpixel; the
seconds are the processor's, of the whole process. Loopback has no latency, so nothing here says how
long a fetch takes from afar.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.frame import CACHE, ROOT, Row, Run, Turns, beside, citygrain, command_line, turns, watched

DAYS = ("2025-05-01", "2025-08-31")
BANDS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
CLEAR = (2, 4, 5, 6, 7, 11)
"""Classes of the scene classification that hide nothing."""
PEER = "plain odc.stac.load and nanmedian"
SIDE, PAIRS = 2_064, 3


def main(*, quick: bool = False) -> list[Row]:
    """Return a row each of bytes, requests and processor seconds."""
    sys.path.append(str(ROOT / "tests"))  # the made worlds of the tests
    from helpers.stac_server import serving
    from helpers.stac_world import World

    world: World = _world(264 if quick else SIDE)
    grid = _middle(world)
    box = grid.extent.to_crs("EPSG:4326").boundingbox
    bbox = ",".join(f"{edge:.7f}" for edge in (box.left, box.bottom, box.right, box.top))
    with serving() as server, TemporaryDirectory(dir=CACHE) as folder:
        site = server.serve(world.folder)
        counts: dict[str, tuple[int, int]] = {}

        def counted(name: str, work: Callable[[], Run]) -> Callable[[], float]:
            def run() -> float:
                site.clear()
                seconds = work().processor_seconds
                counts[name] = (site.bytes("*.tif"), site.requests("*.tif"))
                return seconds

            return run

        def ours() -> Run:
            with TemporaryDirectory(dir=folder) as fresh:
                return _fetch(site.api, bbox, Path(fresh))

        def theirs() -> Run:
            return watched(["-m", "benchmarks.fetching", "plain", site.api, bbox], cwd=ROOT)

        found = turns(counted("ours", ours), counted("theirs", theirs), pairs=1 if quick else PAIRS, warm=not quick)
    return _rows(found, counts, int(grid.shape[0] * grid.shape[1]))


def _rows(found: Turns, counts: dict[str, tuple[int, int]], pixels: int) -> list[Row]:
    what = "fetching a summer of Sentinel-2"
    rows = []
    for place, (name, unit, each) in enumerate((("bytes", "B/pixel", 1.0), ("requests", "/Mpixel", 1e6))):
        mine, others = (counts[who][place] * each / pixels for who in ("ours", "theirs"))
        rows.append(Row(f"{what}: {name}", mine, others, unit, PEER, others / mine, None, detail={"pixels": pixels}))
    return [*rows, beside(f"{what}: processor", PEER, found, wanted=None)]


def _fetch(api: str, bbox: str, folder: Path) -> Run:
    words = ("--bbox", bbox, "--from", DAYS[0], "--to", DAYS[1], "--catalogue", api, "--products", "sentinel-2")
    return citygrain("fetch", *words, "--out", folder / "city", cwd=folder)


def _world(side: int) -> Any:
    from helpers.stac_plans import WORLDS, WorldSpec
    from helpers.stac_world import write_world

    CACHE.mkdir(parents=True, exist_ok=True)
    days = tuple(one for one in WORLDS["small"].passes if DAYS[0] <= one.day <= DAYS[1])
    return write_world(CACHE / f"stac-{side}", WorldSpec(days, shape=(side, side), block=256))


def _middle(world: Any) -> Any:
    height, width = world.ground.geobox.shape
    return world.ground.geobox[height // 5 : height * 4 // 5, width // 5 : width * 4 // 5]


def plain(api: str, bbox: str) -> None:
    """Do what one would write without us."""
    import numpy as np
    import odc.stac
    import pystac_client

    edges = [float(edge) for edge in bbox.split(",")]
    asked = {"bbox": edges, "datetime": "/".join(DAYS), "query": {"eo:cloud_cover": {"lt": 60}}}
    search = pystac_client.Client.open(api).search(collections=["sentinel-2-l2a"], **asked)
    cube = odc.stac.load(
        search.items(), bands=[*BANDS, "scl"], bbox=edges, crs="EPSG:32633", resolution=10, groupby="solar_day"
    )
    clear = np.isin(cube["scl"].values, CLEAR)
    layers = [np.where(clear & (cube[band].values > 0), cube[band].values, np.nan) for band in BANDS]
    warnings.simplefilter("ignore")  # where no day is clear
    composite = np.stack([np.nanmedian(layer.astype(np.float32), 0) for layer in layers])
    print(composite.shape, float(np.isfinite(composite).mean()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        plain(*sys.argv[2:])
    else:
        command_line(main, __doc__)
