"""Sentinel-2 products in SAFE: L1C and L2A since December 2016 (the compact names), as a folder or as the zip.

What the numbers mean stands in ``MTD_MSIL1C.xml`` or ``MTD_MSIL2A.xml``: the quantification, the offset of each band
since baseline 04.00, and the numbers that are no measurement. The XML comes from elsewhere: it is read with defusedxml,
and the files that it lists are only looked for within the product.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from citygrain.errors import InputError
from citygrain.scene.archive import Archive, is_harmless
from citygrain.scene.product import Product, ProductBand
from citygrain.scene.radiometry import Claim, baseline_claim
from citygrain.sensors import SENTINEL2

__all__ = ["LAND_BANDS", "parse_metadata", "safe_metadata_file", "safe_product"]

LAND_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""The bands that see the ground at 10 or 20 m; those of 60 m see aerosol, water vapour and cirrus."""
_METADATA = re.compile(r"(?:.*/)?MTD_MSIL(1C|2A)\.xml", re.I)
_OLD = re.compile(r"(?:.*/)?S2[A-D]_(?:OPER|USER)_(?:MTD|PRD)_\w*\.(?:xml|SAFE)", re.I)
_IMAGE = re.compile(r"(?:.*/)?(?:L2A_)?T(\d{2}[A-Z]{3})_\d{8}T\d{6}_(B\d\d|B8A|SCL|AOT|WVP)(?:_(\d\d)m)?")
_PROBABILITY = re.compile(r"(?:.*/)?QI_DATA/(?:MSK_(CLD|SNW)PRB|\w+_(CLD|SNW))_(\d\d)m\.(?:jp2|tiff?)", re.I)
_SUFFIXES = (".jp2", ".tif", ".tiff")
_MOST_XML = 16 * 2**20
_BAND_IDS = tuple(band.name for band in SENTINEL2.bands)
"""``band_id="8"`` is B8A: in order of wavelength."""


@dataclass(frozen=True)
class SafeMetadata:
    """What ``MTD_MSIL1C.xml`` or ``MTD_MSIL2A.xml`` says.

    Attributes
    ----------
    level : str
        ``"L1C"`` or ``"L2A"``.
    baseline : str
        ``"05.09"``.
    time : str
        When the sensing began.
    quantification : float
        Numbers per unit of reflectance.
    offsets : dict of str to float
        What is added to the numbers of each band; empty before baseline 04.00.
    nodata, saturated : float
        Numbers that are no measurement.
    images : tuple of str
        The files it lists, without suffix.
    other_scales : dict of str to float
        Numbers per unit of ``AOT`` and ``WVP``.
    """

    level: str
    baseline: str
    time: str
    quantification: float
    offsets: dict[str, float]
    nodata: float
    saturated: float
    images: tuple[str, ...]
    other_scales: dict[str, float]


def safe_metadata_file(names: Sequence[str]) -> str | None:
    """Return the product metadata among file names; None where there is none.

    Raises
    ------
    InputError
        If there are several products, or one in the format of before December 2016.

    Examples
    --------
    >>> safe_metadata_file(["a.SAFE/INSPIRE.xml", "a.SAFE/MTD_MSIL2A.xml"])
    'a.SAFE/MTD_MSIL2A.xml'
    """
    found = [name for name in names if _METADATA.fullmatch(name)]
    if len(found) > 1:
        raise InputError(f"{len(found)} products ({', '.join(found[:2])}, ...)", wanted="one product")
    old = next((name for name in names if _OLD.fullmatch(name)), None)
    if not found and old:
        raise InputError(
            f"{old.rpartition('/')[2]} is of a Sentinel-2 product in the format of before December 2016",
            wanted="a product with MTD_MSIL1C.xml or MTD_MSIL2A.xml",
            mend="take the reprocessed product (Collection 1, N0500) of the same day",
        )
    return found[0] if found else None


def safe_product(archive: Archive, metadata_file: str) -> Product:
    """Return a Sentinel-2 product.

    Parameters
    ----------
    archive : Archive
        Its files.
    metadata_file : str
        Which of them is ``MTD_MSIL*.xml``, see `safe_metadata_file`.

    Raises
    ------
    InputError
        If the metadata are damaged, hostile or not whole, or none of the images is there.
    """
    about = parse_metadata(archive.read(metadata_file, most=_MOST_XML), metadata_file.rpartition("/")[2])
    root = metadata_file[: metadata_file.rfind("/") + 1]
    tiles, bands, listed, absent = set(), [], set(), []
    for image in about.images:
        if not is_harmless(image):
            came = f"{metadata_file} lists {image!r:.100}, which is not within the product"
            raise InputError(came, wanted="a product as it was delivered")
        named, file = _IMAGE.fullmatch(image), archive.find(image, _SUFFIXES, root=root)
        if named:
            listed.add(named[2])
        if not named:
            continue
        side = float(named[3] or _resolution(named[2]))
        if file:
            tiles.add(named[1])
            bands.append(_band(about, named[2], file, side))
        else:
            absent.append((named[2], side))
    if not bands or len(tiles) > 1:
        came = f"{len(tiles)} tiles" if tiles else f"none of the {len(about.images)} images that its metadata list"
        raise InputError(f"{archive.path.name} holds {came}", wanted="one tile with its images")
    there = {band.name for band in bands}
    bands += _probabilities(archive, root)
    return Product(
        kind=f"Sentinel-2 {about.level}",
        archive=archive,
        sensor=SENTINEL2,
        bands=tuple(bands),
        usual=tuple(name for name in LAND_BANDS if name in there),
        level=about.level,
        baseline=about.baseline,
        time=about.time,
        tile=tiles.pop(),
        claims=_claims(about, metadata_file.rpartition("/")[2]),
        missing=tuple(name for name in LAND_BANDS if name in listed - there),
        absent=tuple(absent),
    )


def parse_metadata(content: bytes, name: str) -> SafeMetadata:
    """Read the product metadata.

    Parameters
    ----------
    content : bytes
        The XML.
    name : str
        Its file, for messages; L1C or L2A by its name.

    Raises
    ------
    InputError
        If it is not XML, has a document type or entities, or lacks a field.
    """
    try:
        tree = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        reason = f"{type(error).__name__}" if isinstance(error, DefusedXmlException) else str(error).splitlines()[0]
        raise InputError(
            f"{name} is no XML that can be read ({reason})", wanted="metadata as ESA writes them"
        ) from None
    fields = _Fields(tree, name)
    level = "L1C" if "L1C" in name.upper() else "L2A"
    said = fields.text("PROCESSING_LEVEL", r"Level-(1C|2A)p?")
    if not said.startswith(f"Level-{level[1:]}"):
        raise InputError(f"{name} says {said}", wanted=f"Level-{level[1:]}")
    special = fields.special_values()
    return SafeMetadata(
        level,
        fields.text("PROCESSING_BASELINE", r"\d\d\.\d\d"),
        _time(fields.text("PRODUCT_START_TIME", r"[0-9T:.Z+-]{19,32}"), name),
        fields.number(*(("QUANTIFICATION_VALUE",) if level == "L1C" else _QUANTIFICATIONS)),
        fields.offsets("RADIO_ADD_OFFSET" if level == "L1C" else "BOA_ADD_OFFSET"),
        special.get("NODATA", 0.0),
        special.get("SATURATED", 65535.0),
        tuple(text for tag in _IMAGE_TAGS for text in fields.texts(tag)),
        {key: value for key in ("AOT", "WVP") if (value := fields.scale_of(key)) is not None},
    )


_IMAGE_TAGS = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID_2A")
_QUANTIFICATIONS = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")


@dataclass(frozen=True)
class _Fields:
    """Fields of the metadata by their names, whatever the namespace."""

    tree: Element
    file: str

    def found(self, tag: str) -> Iterator[Element]:
        return (each for each in self.tree.iter() if str(each.tag).rpartition("}")[2] == tag)

    def texts(self, tag: str) -> list[str]:
        return [text for each in self.found(tag) if (text := (each.text or "").strip())]

    def text(self, tag: str, form: str) -> str:
        text = next(iter(self.texts(tag)), "")
        if not re.fullmatch(form, text):
            came = f"{tag} {text!r:.40}" if text else f"no {tag}"
            raise InputError(f"{self.file} has {came}", wanted="metadata as ESA writes them", mend="download it again")
        return text

    def number(self, *tags: str) -> float:
        text = next((text for tag in tags for text in self.texts(tag)), "")
        value = _finite(text)
        if value is None or value <= 0:
            came = f"{tags[0]} {text!r:.40}" if text else f"no {tags[0]}"
            raise InputError(f"{self.file} has {came}", wanted="a number above 0", mend="download it again")
        return value

    def scale_of(self, key: str) -> float | None:
        value = _finite(next(iter(self.texts(f"{key}_QUANTIFICATION_VALUE")), ""))
        return value if value is not None and value > 0 else None

    def special_values(self) -> dict[str, float]:
        names, numbers = self.texts("SPECIAL_VALUE_TEXT"), map(_finite, self.texts("SPECIAL_VALUE_INDEX"))
        return {name: number for name, number in zip(names, numbers, strict=False) if number is not None}

    def offsets(self, tag: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in self.found(tag):
            number, value = str(each.get("band_id", "")), _finite((each.text or "").strip())
            if not re.fullmatch(r"\d\d?", number) or int(number) >= len(_BAND_IDS) or value is None:
                came = f"{self.file} has {tag} {each.text!r:.20} of band_id {number!r:.20}"
                raise InputError(came, wanted="a number for band_id 0 to 12", mend="download it again")
            found[_BAND_IDS[int(number)]] = value
        return found


def _claims(about: SafeMetadata, file: str) -> tuple[Claim, ...]:
    """Return what the metadata say of the offset; refuse metadata that say it of some bands only."""
    tag = "RADIO_ADD_OFFSET" if about.level == "L1C" else "BOA_ADD_OFFSET"
    by_baseline = baseline_claim(about.baseline)
    if not about.offsets:
        if by_baseline and by_baseline.offset:
            came = f"{file} of baseline {about.baseline} has no {tag}"
            raise InputError(came, wanted=f"one for each band since baseline 04.00, or {tag} = 0")
        said = Claim(f"no {tag} in {file}", 0.0)
        return (by_baseline, said) if by_baseline else (said,)
    values = set(about.offsets.values())
    if set(about.offsets) != set(_BAND_IDS) or len(values) > 1:
        came = f"{file} has {tag} {', '.join(f'{value:g}' for value in sorted(values))} for {len(about.offsets)} bands"
        raise InputError(came, wanted=f"the same one for all {len(_BAND_IDS)} bands")
    return (Claim(f"{tag} in {file}", values.pop()), *((by_baseline,) if by_baseline else ()))


def _band(about: SafeMetadata, name: str, file: str, resolution: float) -> ProductBand:
    if name == "SCL":
        return ProductBand(name, file, resolution, 1.0, 0.0, nodata=0, codes=True)
    if name in ("AOT", "WVP"):
        return ProductBand(name, file, resolution, about.other_scales.get(name, 1000.0), 0.0)
    return ProductBand(
        name,
        file,
        resolution,
        about.quantification,
        about.offsets.get(name, 0.0) / about.quantification,
        about.nodata,
        about.saturated,
    )


def _probabilities(archive: Archive, root: str) -> Iterator[ProductBand]:
    """Yield the probabilities of cloud (``CLD``) and snow (``SNW``), in percent."""
    for name in archive.names:
        found = _PROBABILITY.fullmatch(name) if name.startswith(root) else None
        if found:
            yield ProductBand((found[1] or found[2]).upper(), name, float(found[3]), 1.0, 0.0)


def _resolution(name: str) -> float:
    band = SENTINEL2.find(name)
    return band.resolution_m if band else 20.0


def _finite(text: str) -> float | None:
    # float() also reads "nan", "inf" and "1_000".
    return float(text) if re.fullmatch(r"[+-]?\d{1,12}(\.\d{0,12})?([eE][+-]?\d{1,2})?", text) else None


def _time(text: str, file: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%dT%H:%M:%S}Z"
    except ValueError:
        raise InputError(f"{file} has PRODUCT_START_TIME {text!r}", wanted="a time") from None
