"""What a band's numbers mean: ``value = number / scale + offset``, and who says so."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from citygrain.errors import InputError
from citygrain.scene.bands import NamedLayer
from citygrain.sensors import Sensor

__all__ = ["Given", "Scaling", "file_scalings", "product_scalings"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scaling:
    """How numbers become values.

    Attributes
    ----------
    scale, offset : float
        ``value = number / scale + offset``.
    reason : str
        Who says so.
    """

    scale: float
    offset: float
    reason: str


@dataclass(frozen=True)
class Given:
    """What the user says of the numbers.

    Attributes
    ----------
    scale, offset : float or None
        None where nothing is said.
    reflectance : bool
        Whether the optical bands are to come out as reflectance; else numbers stay as they are.
    """

    scale: float | None
    offset: float | None
    reflectance: bool

    def __post_init__(self) -> None:
        """Refuse what no number can be divided by."""
        scale = 1.0 if self.scale is None else self.scale
        if not (np.isfinite(scale) and scale > 0 and np.isfinite(self.offset or 0.0)):
            raise InputError(
                f"scale {self.scale} with offset {self.offset}", wanted="a scale above 0 and a finite offset"
            )


def file_scalings(chosen: Sequence[NamedLayer], given: Given, maker: Sensor, *, already: bool = False) -> list[Scaling]:
    """Return the scaling of each band of ordinary files: as given, by their tags, or as is usual for the sensor.

    Bands that measure no reflected light keep to their own tags.

    Parameters
    ----------
    chosen : sequence of NamedLayer
        The bands.
    given : Given
        What the user says.
    maker : Sensor
        Whose bands they are.
    already : bool
        Whether the file says that its values are reflectance.

    Raises
    ------
    InputError
        If the tags of bands contradict each other.
    """
    shared = _shared(chosen, given, maker, already)
    logger.info("%s: value = number / %g %+g (%s)", chosen[0].layer.file, shared.scale, shared.offset, shared.reason)
    return [_own_or(shared, item, given) for item in chosen]


def product_scalings(chosen: Sequence[NamedLayer], given: Given, *, evidence: str) -> list[Scaling]:
    """Return the scaling of each band of a product: by its metadata, or as given for the bands of reflected light."""
    return [_of_product(item, given, evidence) for item in chosen]


def _of_product(item: NamedLayer, given: Given, evidence: str) -> Scaling:
    if not given.reflectance:
        return Scaling(1.0, 0.0, "as they are")
    own = Scaling(item.layer.scale, item.layer.offset, evidence)
    if not item.optical or (given.scale is None and given.offset is None):
        return own
    scale = own.scale if given.scale is None else given.scale
    return Scaling(scale, own.offset if given.offset is None else given.offset, "as given")


def _own_or(shared: Scaling, item: NamedLayer, given: Given) -> Scaling:
    if item.optical or (item.band is not None and not given.reflectance):
        return shared
    logger.info("%s: band %s is no reflectance and is not scaled like one", item.layer.file, item.name)
    return Scaling(item.layer.scale, item.layer.offset, "its own tags")


def _shared(chosen: Sequence[NamedLayer], given: Given, maker: Sensor, already: bool) -> Scaling:
    if given.scale is not None:
        return Scaling(float(given.scale), float(given.offset or 0.0), "as given")
    scaled = [item.layer for item in chosen if item.optical or (not given.reflectance and item.band)]
    tags = {(float(f"{layer.scale:.9g}"), layer.offset) for layer in scaled} or {(1.0, 0.0)}
    if len(tags) > 1:
        raise InputError(f"{chosen[0].layer.file}: bands carry different scale tags {sorted(tags)}", mend="set scale")
    (tag,) = tags
    offset = given.offset or 0.0
    if tag != (1.0, 0.0):
        return Scaling(tag[0], tag[1] if given.offset is None else offset, "from the file's tags")
    if not given.reflectance:
        return Scaling(1.0, offset, "as they are")
    return Scaling(1.0, offset, "by the file") if already else Scaling(maker.scale, offset, f"usual for {maker.name}")
