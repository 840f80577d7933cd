"""Lay out a part of Kowloon for a run with an open product as reference: ESA WorldCover 2021 under two Landsat dates.

The real scenes are cut to the 3 x 3 km of which WorldCover is at hand; WorldCover comes onto their grid, with its
licence beside it, and a configuration is written.

    python examples/hong_kong_worldcover.py ../shared/data runs/kowloon
    citygrain run runs/kowloon/city.toml --out runs/kowloon/run
"""

import argparse
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - adds .odc to rasters
import rasterio
from rasterio.warp import transform_bounds

from citygrain import map_product, read_scene, write_cog, write_product
from citygrain.files import write_text
from citygrain.imagery.sources import imagery_source, product_source, write_sources

DATES = {2013: "landsat8_20131129.tif", 2014: "landsat8_20141116.tif"}
CONFIG = """\
[scene]
dates       = ["landsat8_20131129.tif", "landsat8_20141116.tif"]
sensor      = "landsat-8"
reflectance = false   # digital numbers, and two bands of heat

[reference]
path    = "worldcover.tif"
product = "worldcover"   # brings legend, merge, licence, and how right it is itself
ignore  = [40]           # cropland: a single pixel

[units]
kind = "pixels"   # of 100 m

[samples]
block = 500   # metres

[model]
name = "forest"
"""


def lay_out(data: Path, folder: Path) -> Path:
    """Write scenes, reference, sources and configuration into a folder, and return the configuration."""
    cover, sources = data / "lcz/reference_polygons/worldcover_hongkong.tif", {}
    with rasterio.open(cover) as file:
        crs, bounds = file.crs, file.bounds
    for year, name in DATES.items():
        scene = read_scene(data / "scenes/hong_kong" / name, sensor="landsat-8", reflectance=False)
        west, south, east, north = transform_bounds(crs, str(scene.odc.crs), *bounds)
        part = scene.sel(x=slice(west, east), y=slice(north, south))
        bands = [str(band) for band in part.band.values]
        write_cog(folder / name, part.values, part.odc.geobox, nodata=np.nan, band_names=bands)
        sources[name] = imagery_source("landsat", [year])
    product = map_product("worldcover", 2021)
    write_product(folder / "worldcover.tif", product, [cover], part.odc.geobox)
    write_sources(folder, {**sources, "worldcover.tif": product_source(product)})
    write_text(folder / "city.toml", CONFIG)
    return folder / "city.toml"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real scenes")
    parser.add_argument("folder", type=Path, help="where to write")
    given = parser.parse_args()
    print(lay_out(given.data, given.folder))  # noqa: T201 - what a script is for
