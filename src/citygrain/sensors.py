"""Bands by name: what a name such as ``B08``, ``nir`` or ``VV`` means for each sensor.

A user writes band names as the sensor's maker or as the field does; formulas of the literature use one letter each
(the symbols of Awesome Spectral Indices). This table connects the three. ``B5`` is near infrared on Landsat and red
edge on Sentinel-2, so a name is only looked up within a named sensor.
"""

from dataclasses import dataclass

from citygrain.errors import InputError

__all__ = [
    "LANDSAT7",
    "LANDSAT8",
    "SAR_FEATURES",
    "SENSORS",
    "SENTINEL1",
    "SENTINEL2",
    "SO2SAT_SENTINEL1",
    "SO2SAT_SENTINEL2",
    "Band",
    "Sensor",
    "light_seen_at",
    "sensor_named",
]


@dataclass(frozen=True)
class Band:
    """One band of a sensor.

    Attributes
    ----------
    name : str
        The maker's name, ``"B08"``.
    common : str
        The STAC common name, ``"nir"``.
    symbol : str
        The symbol in Awesome Spectral Indices, ``"N"``; empty where there is none.
    wavelength_nm : float
        Centre wavelength in nanometres; for radar 0.
    resolution_m : float
        Ground sampling distance in metres.
    aliases : tuple of str
        Other spellings met in files.
    """

    name: str
    common: str
    symbol: str
    wavelength_nm: float
    resolution_m: float
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sensor:
    """A sensor's bands, found by any of their names, whatever the case.

    Examples
    --------
    >>> SENTINEL2.find("b8").name, SENTINEL2.find("nir").symbol, LANDSAT8.find("B5").common
    ('B08', 'N', 'nir')
    >>> SENTINEL2.find("ndvi") is None
    True
    """

    name: str
    scale: float
    bands: tuple[Band, ...]

    def find(self, name: str) -> Band | None:
        """Return the band that `name` means for this sensor, or None."""
        wanted = name.strip().lower()
        for band in self.bands:
            if wanted in {band.name.lower(), band.common, *(alias.lower() for alias in band.aliases)}:
                return band
        return None


SENTINEL2 = Sensor(
    "sentinel-2",
    10_000.0,
    (
        Band("B01", "coastal", "A", 442.7, 60, ("B1",)),
        Band("B02", "blue", "B", 492.4, 10, ("B2",)),
        Band("B03", "green", "G", 559.8, 10, ("B3",)),
        Band("B04", "red", "R", 664.6, 10, ("B4",)),
        Band("B05", "rededge1", "RE1", 704.1, 20, ("B5", "rededge")),
        Band("B06", "rededge2", "RE2", 740.5, 20, ("B6",)),
        Band("B07", "rededge3", "RE3", 782.8, 20, ("B7",)),
        Band("B08", "nir", "N", 832.8, 10, ("B8",)),
        Band("B8A", "nir08", "N2", 864.7, 20, ("B08A", "nir2")),
        Band("B09", "nir09", "WV", 945.1, 60, ("B9",)),
        Band("B10", "cirrus", "", 1373.5, 60),
        Band("B11", "swir16", "S1", 1613.7, 20, ("swir1", "swir")),
        Band("B12", "swir22", "S2", 2202.4, 20, ("swir2",)),
    ),
)
LANDSAT8 = Sensor(
    "landsat-8",
    1.0,
    (
        Band("B1", "coastal", "A", 443, 30, ("B01", "B1_coastal", "SR_B1")),
        Band("B2", "blue", "B", 482, 30, ("B02", "B2_blue", "SR_B2")),
        Band("B3", "green", "G", 561.5, 30, ("B03", "B3_green", "SR_B3")),
        Band("B4", "red", "R", 654.5, 30, ("B04", "B4_red", "SR_B4")),
        Band("B5", "nir", "N", 865, 30, ("B05", "B5_nir", "SR_B5")),
        Band("B6", "swir16", "S1", 1608.5, 30, ("B06", "swir1", "B6_swir1", "SR_B6")),
        Band("B7", "swir22", "S2", 2200.5, 30, ("B07", "swir2", "B7_swir2", "SR_B7")),
        Band("B9", "cirrus", "", 1373.5, 30, ("B09",)),
        Band("B10", "lwir11", "T1", 10895, 100, ("B10_tir", "ST_B10")),
        Band("B11", "lwir12", "T2", 12005, 100, ("B11_tir",)),
    ),
)
LANDSAT7 = Sensor(
    "landsat-7",
    1.0,
    (
        Band("B1", "blue", "B", 482.5, 30, ("B01", "SR_B1")),
        Band("B2", "green", "G", 565, 30, ("B02", "SR_B2")),
        Band("B3", "red", "R", 660, 30, ("B03", "SR_B3")),
        Band("B4", "nir", "N", 825, 30, ("B04", "SR_B4")),
        Band("B5", "swir16", "S1", 1650, 30, ("B05", "swir1", "SR_B5")),
        Band("B6", "lwir", "T1", 11450, 60, ("ST_B6",)),
        Band("B7", "swir22", "S2", 2220, 30, ("B07", "swir2", "SR_B7")),
    ),
)
"""Landsat 4, 5 and 7: TM and ETM+ number their bands alike, and otherwise than Landsat 8 and 9."""
SENTINEL1 = Sensor("sentinel-1", 1.0, (Band("VV", "vv", "VV", 0, 10, ("vv",)), Band("VH", "vh", "VH", 0, 10, ("vh",))))
SENSORS = {sensor.name: sensor for sensor in (SENTINEL2, LANDSAT8, LANDSAT7, SENTINEL1)}

SO2SAT_SENTINEL2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""The ten bands of So2Sat LCZ42 in file order."""
SO2SAT_SENTINEL1 = ("VH_RE", "VH_IM", "VV_RE", "VV_IM", "VH_LEE", "VV_LEE", "COV_RE", "COV_IM")
"""The eight radar channels of So2Sat LCZ42 in file order: amplitudes, filtered intensities, filtered covariance."""
SAR_FEATURES = ("VH_DB", "VV_DB", "COHERENCE", "VH_LEE_DB", "VV_LEE_DB", "COHERENCE_LEE", "PHASE_COS")
"""What `citygrain.features.sar.so2sat_sar` makes of them."""


def sensor_named(name: str) -> Sensor:
    """Return the sensor called `name`.

    Raises
    ------
    InputError
        If there is no sensor of that name.

    Examples
    --------
    >>> sensor_named("sentinel-2").scale
    10000.0
    """
    try:
        return SENSORS[name.lower()]
    except KeyError:
        raise InputError(f"sensor {name!r} is unknown", wanted=f"one of {', '.join(SENSORS)}") from None


def light_seen_at(level: str) -> str:
    """Return where the light of a processing level is said to be reflected; nothing where the level is unknown.

    Examples
    --------
    >>> light_seen_at("L1C"), light_seen_at("L2A"), light_seen_at("SR"), light_seen_at("")
    ('top of the atmosphere', 'surface', 'surface', '')
    """
    return _LEVELS.get(level.strip().upper(), "")


_LEVELS = dict.fromkeys(("L1C", "TOA"), "top of the atmosphere") | dict.fromkeys(("L2A", "SR", "BOA"), "surface")
