"""Our superpixels beside OpenCV's `ximgproc` SLIC on three bands: time and quality in the same run.

    python -m benchmarks.slic_opencv [--quick]

OpenCV takes an image of 8 bits, as it is meant to; ours takes the same numbers as floats. Both weigh space against
likeness alike: OpenCV's `ruler` is the compactness on the image's scale, 25.5 for 0.1 of 0-1. Ten iterations, connected
segments, OpenCV's threads as it sets them. Ours is asked for as many segments as OpenCV returned.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import scenes
from benchmarks.frame import Row, beside, command_line, seconds, turns
from benchmarks.peers import Peers
from benchmarks.scenes import Bands
from benchmarks.slic import COMPACTNESS, Labels, ours, quality_rows

PEER = "OpenCV ximgproc SLIC"


def main(*, quick: bool = False) -> list[Row]:
    """Return the row of the time and one of the quality on each scene that is there."""
    side, n = (256, 160) if quick else (3536, 30_000)
    with Peers() as peers, TemporaryDirectory() as name:
        folder = Path(name)

        def cut(image: Bands, n_segments: int) -> Labels:
            segments(peers, folder, image, n_segments)
            found: Labels = np.load(folder / "labels.npy")
            return found

        return [timed(peers, folder, side, n, 1 if quick else 3), *quality_rows(PEER, cut, quick=quick, channels=3)]


def timed(peers: Peers, folder: Path, side: int, n_segments: int, pairs: int) -> Row:
    bands = np.rint(scenes.large(side, 3).clip(0, 1) * 255).astype(np.uint8)
    image = np.ascontiguousarray(bands.transpose(1, 2, 0))
    asked = {"image": save(folder, image), "side": region(image, n_segments), "ruler": 255 * COMPACTNESS, "out": ""}
    n = int(peers.ask("slic", **asked)["n"])
    features = (bands / np.float32(255)).astype(np.float32)
    found = turns(seconds(lambda: ours(features, n)), lambda: float(peers.ask("slic", **asked)["seconds"]), pairs=pairs)
    return beside(f"SLIC, {side * side / 1e6:.1f} Mpixel x 3 bands", PEER, found, wanted=4, segments=n)


def segments(peers: Peers, folder: Path, image: Bands, n_segments: int) -> dict[str, Any]:
    numbers = np.rint(image * 255).astype(np.uint8)
    where = {"image": save(folder, numbers), "out": folder / "labels.npy"}
    return peers.ask("slic", **where, side=region(image, n_segments), ruler=255 * COMPACTNESS)


def region(image: Any, n_segments: int) -> int:
    return max(2, round((image.shape[0] * image.shape[1] / n_segments) ** 0.5))


def save(folder: Path, image: Any) -> Path:
    """Write the image under a name of its own, since the peer keeps what it has read."""
    path = folder / f"image{len(list(folder.iterdir()))}.npy"
    np.save(path, image)
    return path


if __name__ == "__main__":
    command_line(main, __doc__)
