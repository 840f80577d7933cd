"""Write a Local Climate Zone map with the codes of another scheme."""

from pathlib import Path

import numpy as np
import rasterio

from citygrain.errors import InputError
from citygrain.lcz import LCZ_SCHEMES, lcz_no_data, recode_lcz
from citygrain.legend import LCZ
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog

__all__ = ["recode_map"]


def recode_map(path: Path, out: Path, *, to: str, source: str = "wudapt", band: int = 1) -> dict[int, int]:
    """Write a map again with other codes; grid, class names and colours stay.

    Parameters
    ----------
    path : Path
        GeoTIFF with codes of the scheme `source`; its nodata is no class.
    out : Path
        The new map, uint8 (COG with colour table and class names); what has no class gets the scheme's number for that,
        which is the file's nodata.
    to, source : str
        Of `LCZ_SCHEMES`.
    band : int
        Band with the codes, from 1 (the LCZ Generator's filtered map is the second).

    Returns
    -------
    dict of int to int
        Number of pixels of each new code that occurs, "no class" too.

    Raises
    ------
    InputError
        If the map cannot be read, or holds a code that is none of its scheme, or a scheme is unknown.
    OutputError
        If the map cannot be written.
    """
    if to not in LCZ_SCHEMES:
        raise InputError(f"LCZ scheme {to!r} for a raster", wanted=f"one of {', '.join(LCZ_SCHEMES)}")
    codes = read_codes(path, band=band)
    with rasterio.open(path) as opened:
        nodata = opened.nodatavals[band - 1]
    values = codes.values.astype(np.int64)
    if nodata is not None and nodata not in LCZ_SCHEMES.get(source, {}).values():
        values[codes.values == nodata] = lcz_no_data(source)
    new = recode_lcz(values, to=to, source=source).astype(np.uint8)
    numbers, empty = LCZ_SCHEMES[to], lcz_no_data(to)
    write_cog(
        out,
        new,
        codes.odc.geobox,
        nodata=empty,
        colormap={empty: (0, 0, 0, 0), **{number: LCZ.colormap()[code] for code, number in numbers.items()}},
        names={number: LCZ.name_of(code) for code, number in numbers.items()},
        band_names=["lcz"],
        tags={"legend": f"lcz {to}"},
    )
    found, counts = np.unique(new, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
