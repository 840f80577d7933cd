"""Landsat Collection 2, Level 1 and Level 2: the MTL file (text, JSON or XML) says what the numbers mean.

Level 2 is surface reflectance and surface temperature. Level 1 is reflectance at the top of the atmosphere, here
divided by the sine of the sun's elevation, as the USGS says it must be; its thermal bands are radiance, which is no
straight line away from temperature, and are left out.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from citygrain.errors import InputError
from citygrain.scene.archive import Archive, is_harmless
from citygrain.scene.product import Product, ProductBand
from citygrain.sensors import LANDSAT7, LANDSAT8, Sensor

__all__ = ["landsat_metadata_file", "landsat_product", "parse_mtl"]

_METADATA = re.compile(r"(?:.*/)?L[COTE]0[4-9]_\w+_MTL\.(txt|json|xml)", re.I)
_FORMS = ("txt", "json", "xml")
"""In this order where there are several; they say the same."""
_MOST = 4 * 2**20
_FILL = 1.0
"""``QA_PIXEL`` of a pixel without data: bit 0 alone."""
_MASKS = {"FILE_NAME_QUALITY_L1_PIXEL": "QA_PIXEL", "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION": "QA_RADSAT"}
_PANCHROMATIC, _CIRRUS = "8", "9"

Mtl = Mapping[str, Mapping[str, str]]
"""Fields by group."""


def landsat_metadata_file(names: Sequence[str]) -> str | None:
    """Return the MTL file among file names; None where there is none.

    Raises
    ------
    InputError
        If there are those of several products.

    Examples
    --------
    >>> landsat_metadata_file(["LC08_L2SP_193023_20210601_20210608_02_T1_MTL.txt", "LC08_L2SP_x_MTL.xml"])
    Traceback (most recent call last):
    citygrain.errors.InputError: 2 products (LC08_L2SP_193023_20210601_20210608_02_T1, LC08_L2SP_x); wanted: one product
    """
    found = {name.rpartition("/")[2]: name for name in names if _METADATA.fullmatch(name)}
    products = sorted({name[: -len("_MTL.txt")].removesuffix("_") for name in found})
    if len(products) > 1:
        raise InputError(f"{len(products)} products ({', '.join(products[:2])})", wanted="one product")
    forms = {name.rpartition(".")[2].lower(): place for name, place in found.items()}
    return next((forms[form] for form in _FORMS if form in forms), None)


def landsat_product(archive: Archive, metadata_file: str) -> Product:
    """Return a Landsat Collection 2 product.

    Parameters
    ----------
    archive : Archive
        Its files.
    metadata_file : str
        Which of them is the MTL file, see `landsat_metadata_file`.

    Raises
    ------
    InputError
        If it is damaged, of another collection, or none of the images is there.
    """
    short = metadata_file.rpartition("/")[2]
    reader = _Reader(archive, parse_mtl(archive.read(metadata_file, most=_MOST), short), short)
    root = metadata_file[: metadata_file.rfind("/") + 1]
    content = reader.group("PRODUCT_CONTENTS")
    if reader.text("PRODUCT_CONTENTS", "COLLECTION_NUMBER", r"\d\d?").lstrip("0") != "2":
        raise InputError(f"{short} is of collection {content['COLLECTION_NUMBER']}", wanted="Collection 2")
    level = reader.text("PRODUCT_CONTENTS", "PROCESSING_LEVEL", r"L[12]\w{2}")
    sensor = _sensor(reader.text("IMAGE_ATTRIBUTES", "SPACECRAFT_ID", r"LANDSAT_[4-9]"))
    surface = level.startswith("L2")
    bands = [*(reader.surface(sensor, root) if surface else reader.top(sensor, root)), *reader.masks(root)]
    there = {band.name for band in bands}
    usual = tuple(band.name for band in bands if not band.codes and _sees_light(sensor, band.name))
    if not usual:
        raise InputError(f"{archive.path.name} holds none of the images of {short}", wanted="a product with its images")
    date = reader.text("IMAGE_ATTRIBUTES", "DATE_ACQUIRED", r"\d{4}-\d\d-\d\d")
    clock = reader.text("IMAGE_ATTRIBUTES", "SCENE_CENTER_TIME", r"\d\d:\d\d:\d\d(\.\d+)?Z?")[:8]
    return Product(
        kind=f"Landsat Collection 2 {level}",
        archive=archive,
        sensor=sensor,
        bands=tuple(bands),
        usual=usual,
        level="SR" if surface else "TOA",
        time=f"{date}T{clock}Z",
        tile=f"{_three(reader, 'WRS_PATH')}{_three(reader, 'WRS_ROW')}",
        evidence=f"{'REFLECTANCE_MULT and _ADD' if surface else 'the same and SUN_ELEVATION'} in {short}",
        missing=tuple(name for name in reader.listed(sensor) if name not in there),
    )


def parse_mtl(content: bytes, name: str) -> dict[str, dict[str, str]]:
    r"""Read an MTL file, in any of its three forms.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Its name, for messages; the suffix tells the form.

    Returns
    -------
    dict of str to dict of str to str
        Fields by group; the groups lie side by side within ``LANDSAT_METADATA_FILE``.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> text = b'GROUP = LANDSAT_METADATA_FILE\n GROUP = A\n  B = "c"\n END_GROUP = A\nEND_GROUP = X\nEND\n'
    >>> parse_mtl(text, "x_MTL.txt")
    {'A': {'B': 'c'}}
    """
    try:
        text = content.decode("utf-8")
        if name.lower().endswith(".json"):
            groups = json.loads(text)["LANDSAT_METADATA_FILE"]
            return {str(group): {str(key): str(value) for key, value in groups[group].items()} for group in groups}
        if name.lower().endswith(".xml"):
            tree = fromstring(content, forbid_dtd=True)
            return {str(group.tag): {str(each.tag): (each.text or "").strip() for each in group} for group in tree}
        return _parse_odl(text)
    except (
        ParseError,
        DefusedXmlException,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{name} cannot be read ({type(error).__name__} {reason:.80})", wanted="an MTL file of the USGS"
        ) from None


def _parse_odl(text: str) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    here: list[str] = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            here.append(value)
        elif key == "END_GROUP":
            here = here[:-1]
        elif value and len(here) > 1:
            groups.setdefault(here[-1], {})[key] = value.strip('"')
    return groups


@dataclass(frozen=True)
class _Reader:
    """The fields of an MTL file, and the images that it names."""

    archive: Archive
    mtl: Mtl
    file: str

    def group(self, name: str) -> Mapping[str, str]:
        if name not in self.mtl:
            raise InputError(f"{self.file} has no group {name}", wanted="an MTL file of Collection 2")
        return self.mtl[name]

    def text(self, group: str, key: str, form: str) -> str:
        text = self.group(group).get(key, "")
        if not re.fullmatch(form, text):
            came = f"{key} {text!r:.40}" if text else f"no {key}"
            raise InputError(f"{self.file} has {came}", wanted="an MTL file of Collection 2", mend="download it again")
        return text

    def number(self, group: str, key: str) -> float:
        return float(self.text(group, key, r"[+-]?\d{1,9}(\.\d{0,12})?([eE][+-]?\d{1,2})?"))

    def surface(self, sensor: Sensor, root: str) -> Iterator[ProductBand]:
        """Yield the bands of Level 2."""
        for key, file in self._images(root):
            thermal = key.startswith("ST_B")
            name = sensor.find(f"B{key.removeprefix('ST_B')}")
            if name is None:
                continue
            what = "TEMPERATURE" if thermal else "REFLECTANCE"
            yield self._band(name.name, file, f"LEVEL2_SURFACE_{what}_PARAMETERS", f"{what}_{{}}_BAND_{key}")

    def top(self, sensor: Sensor, root: str) -> Iterator[ProductBand]:
        """Yield the reflecting bands of Level 1."""
        height = math.sin(math.radians(self.number("IMAGE_ATTRIBUTES", "SUN_ELEVATION")))
        if height <= 0:
            raise InputError(f"{self.file} is of a night", wanted="a scene by daylight")
        for key, file in self._images(root):
            band = sensor.find(f"B{key}") if key not in (_PANCHROMATIC, _CIRRUS) else None
            if band and _sees_light(sensor, band.name):
                yield self._band(
                    band.name, file, "LEVEL1_RADIOMETRIC_RESCALING", f"REFLECTANCE_{{}}_BAND_{key}", height
                )

    def masks(self, root: str) -> Iterator[ProductBand]:
        for key, name in _MASKS.items():
            file = self._file(self.group("PRODUCT_CONTENTS").get(key, ""), root)
            if file:
                yield ProductBand(name, file, 30, 1.0, 0.0, nodata=_FILL if name == "QA_PIXEL" else None, codes=True)

    def listed(self, sensor: Sensor) -> list[str]:
        """Return the reflecting bands that are to be there."""
        keys = [key.removeprefix("FILE_NAME_BAND_") for key in self.group("PRODUCT_CONTENTS")]
        numbers = [key for key in keys if key.isdecimal() and key not in (_PANCHROMATIC, _CIRRUS)]
        found = [band.name for key in numbers if (band := sensor.find(f"B{key}"))]
        return [name for name in found if _sees_light(sensor, name)]

    def _images(self, root: str) -> Iterator[tuple[str, str]]:
        for key, value in self.group("PRODUCT_CONTENTS").items():
            found = re.fullmatch(r"FILE_NAME_BAND_((?:ST_B)?\d\d?)", key)
            file = self._file(value, root) if found else None
            if found and file:
                yield found[1], file

    def _file(self, name: str, root: str) -> str | None:
        if name and not is_harmless(name):
            raise InputError(f"{self.file} lists {name!r:.100}", wanted="files within the product")
        return self.archive.find(name, ("",), root=root) if name else None

    def _band(self, name: str, file: str, group: str, key: str, height: float = 1.0) -> ProductBand:
        factor, added = self.number(group, key.format("MULT")), self.number(group, key.format("ADD"))
        if factor <= 0:
            raise InputError(f"{self.file} has {key.format('MULT')} {factor:g}", wanted="a number above 0")
        return ProductBand(name, file, 30, height / factor, added / height, nodata=0)


def _sensor(spacecraft: str) -> Sensor:
    return LANDSAT8 if spacecraft[-1] in "89" else LANDSAT7


def _sees_light(sensor: Sensor, name: str) -> bool:
    band = sensor.find(name)
    return band is not None and band.wavelength_nm < 3000


def _three(reader: _Reader, key: str) -> str:
    return reader.text("IMAGE_ATTRIBUTES", key, r"\d{1,3}").zfill(3)
