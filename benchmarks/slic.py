"""Our superpixels beside scikit-image's `slic`: time and quality, on the same scaled bands in the same run.

    python -m benchmarks.slic [--quick]

Both get bands stretched to 0-1 (2nd to 98th percentile, clipped), the same compactness, 10 iterations, and make their
segments connected. scikit-image returns fewer segments than it is asked for; ours is asked for as many as scikit-image
returned, so that neither wins by cutting finer. Both are called plainly: scikit-image takes one processor, ours all.

Time: 12.5 Mpixel of 8 bands, 30,000 segments. Quality: three scenes, segments of 98 pixels; the ratio is the least of
boundary recall and explained variation, ours / theirs, and undersegmentation error, theirs / ours.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from skimage.segmentation import slic

from benchmarks import scenes
from benchmarks.frame import Row, beside, command_line, seconds, turns
from benchmarks.peers import MissingError
from benchmarks.scenes import Bands, aberystwyth, synthetic
from citygrain.segments.quality import segment_quality
from citygrain.segments.slic import superpixels

__all__ = ["aberystwyth", "compare", "data", "likeness", "main", "ours", "quality", "synthetic"]

COMPACTNESS = 0.1
AREA = 98  # pixels of a segment
PEER = "scikit-image slic"
Labels = npt.NDArray[Any]
Figures = dict[str, float]


def main(*, quick: bool = False) -> list[Row]:
    """Return the row of the time and one of the quality on each scene that is there."""
    side, n = (256, 160) if quick else (3536, 30_000)
    return [timed(side, n, pairs=1 if quick else 3), *quality_rows(PEER, scikit_image, quick=quick)]


def timed(side: int, n_segments: int, *, pairs: int) -> Row:
    bands = scenes.large(side, 8)
    image = np.ascontiguousarray(bands.transpose(1, 2, 0))  # (y, x, band)
    asked = round(n_segments * 1.02)
    n = int(scikit_image(image, asked).max())  # uncounted
    ours(bands[:, :64, :64], 40)  # compile
    found = turns(seconds(lambda: ours(bands, n)), seconds(lambda: scikit_image(image, asked)), pairs=pairs, warm=False)
    name = f"SLIC, {side * side / 1e6:.1f} Mpixel x 8 bands"
    work = processor_seconds(lambda: scikit_image(image, asked)) / processor_seconds(lambda: ours(bands, n, engine=1))
    return beside(name, PEER, found, wanted=12, segments=n, times_less_work=work)


def quality_rows(peer: str, cut: Callable[..., Labels], *, quick: bool, channels: int | None = None) -> list[Row]:
    """Return a row for each scene; `cut` takes an image (y, x, band) and a number of segments."""
    rows = []
    for name, scene in scenes.SCENES.items():
        try:
            bands, reference = synthetic(160) if quick and scene is synthetic else scene()
        except MissingError as missing:
            print(f"{name}: left out, {missing}")
            continue
        bands = bands[:channels]
        if quick:
            bands, reference = bands[:, :160, :160], reference[:160, :160]
        theirs = cut(np.ascontiguousarray(bands.transpose(1, 2, 0)), reference.size // AREA)
        found = quality(ours(bands, len(np.unique(theirs))), reference, bands)
        rows.append(
            likeness(f"superpixels of {name}, {len(bands)} bands", peer, found, quality(theirs, reference, bands))
        )
    return rows


def likeness(what: str, peer: str, ours: Figures, theirs: Figures) -> Row:
    """Return the row of the figure in which ours is least ahead; 1 is a draw."""
    ahead = {key: ours[key] / theirs[key] for key in ("boundary_recall", "explained_variation")}
    key = "undersegmentation_error"
    ahead[key] = theirs[key] / ours[key] if ours[key] else float(theirs[key] == 0) or 1.0
    if ours["n"] > theirs["n"]:  # cutting finer is no merit
        ahead["n"] = theirs["n"] / ours["n"]
    worst = min(ahead, key=lambda name: ahead[name])
    detail = {"worst": worst, "citygrain": ours, peer: theirs}
    return Row(what, ours[worst], theirs[worst], "", peer, ahead[worst], 1.0, detail=detail)


def compare(name: str, bands: Bands, reference: Labels, *, area: int = AREA) -> dict[str, Figures]:
    """Measure both methods on a scene, for tests: quality of each, and how many times as fast ours is.

    `times_faster` compares what a user waits for, `times_less_work` processor seconds with one thread each.
    """
    image = np.ascontiguousarray(bands.transpose(1, 2, 0))
    asked = reference.size // area
    peer = scikit_image(image, asked)
    n = int(peer.max())
    found = turns(seconds(lambda: ours(bands, n)), seconds(lambda: scikit_image(image, asked)), pairs=3)
    work = processor_seconds(lambda: scikit_image(image, asked)) / min(
        processor_seconds(lambda: ours(bands, n, engine=1)) for _ in range(3)
    )
    return {
        f"{name}/scikit-image": {"seconds": min(found.theirs)} | quality(peer, reference, bands),
        f"{name}/citygrain": {
            "seconds": min(found.ours),
            "times_faster": min(found.theirs) / min(found.ours),
            "times_less_work": work,
        }
        | quality(ours(bands, n), reference, bands),
    }


def ours(bands: Bands, n_segments: int, **words: Any) -> Labels:
    features = xr.DataArray(bands, dims=("band", "y", "x"))
    return np.asarray(superpixels(features, n_segments=n_segments, compactness=COMPACTNESS, **words))


def scikit_image(image: Bands, n_segments: int) -> Labels:
    found: Labels = slic(
        image,
        n_segments=n_segments,
        compactness=COMPACTNESS,
        max_num_iter=10,
        channel_axis=-1,
        convert2lab=False,
        enforce_connectivity=True,
        start_label=1,
    )
    return found


def quality(labels: Any, reference: Labels, bands: Bands) -> Figures:
    found = segment_quality(labels, reference=reference, features=bands)
    return {
        "n": found.n_segments,
        "boundary_recall": found.boundary_recall or 0.0,
        "undersegmentation_error": found.undersegmentation_error or 0.0,
        "explained_variation": found.explained_variation or 0.0,
        "purity": found.purity or 0.0,
    }


def processor_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def data() -> Any:
    """Return the folder of the real scene of Aberystwyth."""
    return scenes.data() / "aberystwyth"


if __name__ == "__main__":
    command_line(main, __doc__)
