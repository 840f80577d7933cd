"""Patches as a user names them: a path, what its channels are called, which of them are used, and in which units."""

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.open import open_samples, sample_splits
from citygrain.samples.samples import Samples
from citygrain.samples.so2sat import city_names, so2sat_parts
from citygrain.samples.split import blocks_of
from citygrain.sensors import SAR_FEATURES, SENTINEL2, SO2SAT_SENTINEL1
from citygrain.workflows.manifest import fingerprint, hash_file

__all__ = ["PatchSource", "content_mark", "units_of"]

_WHOLE = 2 * 2**30  # bytes up to which a file is hashed whole
_PROBES, _PROBE = 64, 2**20  # of a larger one: so many pieces of so many bytes


@dataclass(frozen=True)
class PatchSource:
    """Where patches come from, and what their channels mean.

    Attributes
    ----------
    path : Path
        Samples of citygrain, a file or folder of So2Sat, or a folder or zip of patches.
    sensors : tuple of str
        For So2Sat: ``"s1"``, ``"s2"`` or both.
    names : tuple of str or None
        Names of the channels of a patch folder, in file order, where the files have none.
    bands : tuple of str or None
        Channels to use, in this order; all, if not given.
    scale : float
        The values of a patch folder are divided by it.
    part : str or None
        File of a So2Sat folder, or split of the others.
    block : float or None
        Side of square blocks in map units (metres) that are the groups, where coordinates are known; patches across
        a border are left out, so that no block shares ground with another.
    """

    path: Path
    sensors: tuple[str, ...] = ("s2",)
    names: tuple[str, ...] | None = None
    bands: tuple[str, ...] | None = None
    scale: float = 1.0
    part: str | None = None
    block: float | None = None

    def open(self) -> Samples:
        """Open the patches, unread where they are on disk.

        Raises
        ------
        InputError
            If there is nothing of that kind, it is broken, or a channel is not there.
        """
        asked = None if self.sensors == ("s2",) else self.sensors  # the default, and the only one of the other kinds
        samples = open_samples(self.path, sensors=asked, part=self.part, bands=self.names, scale=self.scale)
        chosen = samples if self.bands is None else samples.select(self.bands)
        return chosen if self.block is None else _in_blocks(chosen, self.block, self.path)

    @cached_property
    def loose(self) -> bool:
        """Whether it is a folder or zip of single images, which do not say what their numbers mean."""
        if self.path.is_dir():
            return not so2sat_parts(self.path)
        return self.path.is_file() and zipfile.is_zipfile(self.path)

    def units(self, features: Sequence[str]) -> str:
        """Return the units of the opened features, for the model card.

        Images whose numbers were not divided by a scale are digital numbers, whatever their bands are called.
        """
        if self.loose:
            return units_of(features) if self.scale != 1 else "digital numbers"
        known = units_of(features)
        return "reflectance" if known == "digital numbers" else known  # our own samples: bands and their indices

    def group_names(self, samples: Samples) -> dict[int, str]:
        """Return the name of each city or polygon of the opened patches, where the file tells it."""
        known = self.block is None and not self.loose and len(samples.x.shape) == 4 and bool((samples.group >= 0).any())
        return city_names(self.path, part=self.part) if known else {}

    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return the rows of each split that the patches bring; none, where one part or blocks were asked for."""
        return {} if self.part is not None or self.block is not None else sample_splits(self.path)

    def beside(self, path: Path, *, part: str | None = None) -> "PatchSource":
        """Return another file read in the same way."""
        return replace(self, path=path, part=part)

    def to_dict(self) -> dict[str, Any]:
        """Return how the patches are read, for the model card; not where from."""
        return {key: value for key, value in asdict(self).items() if key not in ("path", "part", "block")}

    @classmethod
    def from_dict(cls, path: Path, how: dict[str, Any], *, part: str | None = None) -> "PatchSource":
        """Return the source at `path`, read as `to_dict` told.

        Raises
        ------
        InputError
            If `how` is not what `to_dict` gave.
        """
        names, bands = (None if how.get(key) is None else tuple(map(str, how[key])) for key in ("names", "bands"))
        try:
            sensors, scale = tuple(map(str, how["sensors"])), float(how["scale"])
        except (KeyError, TypeError, ValueError):
            raise InputError("a model that does not say how its patches were read", mend="train it again") from None
        return cls(path, sensors=sensors, names=names, bands=bands, scale=scale, part=part)


def units_of(features: Sequence[str]) -> str:
    """Return the units of channels, told by their names.

    Examples
    --------
    >>> units_of(["B04", "B03"]), units_of(["VV_DB", "B04"]), units_of(["red", "green", "blue"])
    ('reflectance', 'radar features and reflectance', 'digital numbers')
    """
    kinds = {
        "radar features": set(SAR_FEATURES),
        "radar amplitudes": set(SO2SAT_SENTINEL1),
        "reflectance": {band.name for band in SENTINEL2.bands},
    }
    if not all(any(name in known for known in kinds.values()) for name in features):
        return "digital numbers"
    return " and ".join(kind for kind, known in kinds.items() if known & set(features))


def _in_blocks(samples: Samples, size: float, path: Path) -> Samples:
    """Return the patches that lie in one block each, with the blocks as their groups."""
    if not (size > 0 and np.isfinite(samples.extent).all() and len(samples)):
        came = f"blocks of {size:g} m for {path}, " + ("which has no coordinates" if size > 0 else "which have no size")
        raise InputError(came, wanted="patches with coordinates, and a size above 0")
    origin = float(samples.extent[:, 0].min()), float(samples.extent[:, 3].max())
    number = blocks_of(samples.extent, size, origin=origin)
    kept = number >= 0
    if not kept.any():
        raise InputError(f"no patch of {path} lies within one block of {size:g} m", wanted="larger blocks")
    return replace(samples[kept], group=np.unique(number[kept], return_inverse=True)[1].astype(np.int64))


def content_mark(path: Path) -> str:
    """Return a mark that changes with the content of a file or folder.

    Files above 2 GiB are not read whole: their size, time of change and 64 pieces make the mark.

    Raises
    ------
    InputError
        If there is nothing at `path`.
    """
    if path.is_dir() or not path.exists() or path.stat().st_size <= _WHOLE:
        return hash_file(path)
    about = path.stat()
    pieces = []
    with path.open("rb") as file:
        for start in np.linspace(0, about.st_size - _PROBE, _PROBES).astype(np.int64).tolist():
            file.seek(start)
            pieces.append(fingerprint(file.read(_PROBE).hex()))
    return fingerprint([about.st_size, about.st_mtime_ns, pieces])
