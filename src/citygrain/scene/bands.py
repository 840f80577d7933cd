"""Which layer is which band: names from the file, from the file's name, or from the user, and never from a guess."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import spyndex

from citygrain.errors import InputError
from citygrain.scene.layers import Layer
from citygrain.sensors import Band, Sensor

__all__ = ["NamedLayer", "band_in_file_name", "choose_bands"]

_THERMAL_NM = 3000.0
"""Beyond this wavelength a sensor sees heat, not reflected light."""


@dataclass(frozen=True)
class NamedLayer:
    """A layer and the band it is.

    Attributes
    ----------
    name : str
        The sensor's name for the band, or the file's where the sensor has no such band.
    band : Band or None
        The sensor's band.
    layer : Layer
        Where its numbers come from.
    """

    name: str
    band: Band | None
    layer: Layer

    @property
    def optical(self) -> bool:
        """Whether the band measures reflected light."""
        return self.band is not None and 0 < self.band.wavelength_nm < _THERMAL_NM

    @property
    def may_be_zero(self) -> bool:
        """Whether 0 can be measured: by light in the dark and by an index, not by heat or radar."""
        return self.band is None or self.optical


def choose_bands(layers: Sequence[Layer], bands: Sequence[str] | None, sensor: Sensor) -> list[NamedLayer]:
    """Name the layers and put those asked for in order.

    Parameters
    ----------
    layers : sequence of Layer
        All layers of all files, in file order.
    bands : sequence of str or None
        Bands wanted; they select where the file names its bands and name them where it does not.
    sensor : Sensor
        Whose names they are.

    Raises
    ------
    InputError
        If names are missing, unknown or given twice.
    """
    found = [_file_name(layer, sensor) for layer in layers]
    if bands is None:
        names = _all_named(found, layers)
    elif not any(found):
        names = _named_by_user(bands, layers)
    else:
        return _selected(found, layers, bands, sensor)
    chosen = [_named(name, layer, sensor) for name, layer in zip(names, layers, strict=True)]
    _refuse_twice([item.name for item in chosen], layers)
    return chosen


def _selected(
    found: Sequence[str | None], layers: Sequence[Layer], bands: Sequence[str], sensor: Sensor
) -> list[NamedLayer]:
    there = [_named(name, layer, sensor) for name, layer in zip(found, layers, strict=True) if name]
    _refuse_twice([item.name for item in there], layers)
    by_name = {item.name: item for item in there}
    wanted = [_named(name, layers[0], sensor).name for name in bands]
    missing = [band for band, name in zip(bands, wanted, strict=True) if name not in by_name]
    if missing or not wanted:
        raise InputError(
            f"band {', '.join(missing) or '(none asked for)'} is not in {_files(layers)}",
            wanted=f"from {', '.join(by_name)}" + (" (others have no name)" if len(there) < len(layers) else ""),
        )
    _refuse_twice(wanted, layers)
    return [by_name[name] for name in wanted]


def _all_named(found: Sequence[str | None], layers: Sequence[Layer]) -> list[str]:
    nameless = [str(number) for number, name in enumerate(found, start=1) if not name]
    if nameless:
        raise InputError(
            f"{_files(layers)} does not name band {', '.join(nameless)} of {len(layers)}",
            wanted=f"{len(layers)} band names in file order",
            mend='set bands = ["B02", "B03", ...]',
        )
    return [name for name in found if name]


def _named_by_user(bands: Sequence[str], layers: Sequence[Layer]) -> list[str]:
    if len(bands) != len(layers):
        raise InputError(
            f"{len(bands)} band names for {_files(layers)}, which has {len(layers)} bands without names",
            wanted=f"{len(layers)} names in file order",
        )
    return list(bands)


def _named(name: str, layer: Layer, sensor: Sensor) -> NamedLayer:
    band = sensor.find(name)
    return NamedLayer(band.name if band else _index_name(name), band, layer)


def _index_name(name: str) -> str:
    name = name.strip()
    spellings = [str(index) for index in spyndex.indices if index.upper() == name.upper()]
    return spellings[0] if len(spellings) == 1 and name not in spellings else name


def _file_name(layer: Layer, sensor: Sensor) -> str | None:
    name = (layer.name or "").strip()
    if name and not re.fullmatch(r"(?i)(band|layer)?[ _-]*\d+", name):
        # GDAL's own descriptions of Sentinel-2 products read "B4, central wavelength 665 nm".
        head = re.split(r"[,(:]", name)[0].strip()
        return head if sensor.find(head) else name
    return band_in_file_name(layer.file, sensor)


def band_in_file_name(file: str, sensor: Sensor) -> str | None:
    """Return the band that a file's name tells; None where it tells none, or several.

    Examples
    --------
    >>> from citygrain.sensors import SENTINEL2
    >>> band_in_file_name("T33UUU_20210527_B8A_20m.jp2", SENTINEL2), band_in_file_name("s2.tif", SENTINEL2)
    ('B8A', None)
    """
    tokens = re.split(r"[^A-Za-z0-9]+", file.rsplit(".", 1)[0])
    found = {band.name for token in tokens if re.fullmatch(r"(?i)B\d+A?|V[VH]", token) and (band := sensor.find(token))}
    return found.pop() if len(found) == 1 else None


def _refuse_twice(names: Sequence[str], layers: Sequence[Layer]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"band {', '.join(twice)} comes twice in {_files(layers)}", wanted="each band once")


def _files(layers: Sequence[Layer]) -> str:
    names = list(dict.fromkeys(layer.file for layer in layers))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
