"""Only GeoTIFF and JPEG 2000 are opened: what a server sends cannot name other files to be read."""

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioIOError

from citygrain.imagery import opening
from citygrain.imagery.opening import open_image


@pytest.mark.parametrize("driver", ["GTiff", "COG", "JP2OpenJPEG"])
def test_images_are_opened(tmp_path, driver):
    profile = {"driver": driver, "width": 64, "height": 64, "count": 1, "dtype": "uint16"}
    if driver == "JP2OpenJPEG":
        profile |= {"QUALITY": 100, "REVERSIBLE": "YES"}
    values = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    georeferenced = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 5e6)}
    with rasterio.open(tmp_path / "a", "w", **profile, **georeferenced) as target:
        target.write(values)
    with open_image(tmp_path / "a") as source:
        assert source.driver in opening.KINDS and np.array_equal(source.read(), values)


def vrt_of(path):
    """Return a VRT that shows another file's numbers."""
    return (
        '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>400000,10,0,5000000,0,-10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{path}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


@pytest.mark.parametrize("kind", ["vrt", "png", "text"])
def test_other_kinds_are_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "B04.tif"
    if kind == "png":
        profile = {"driver": "PNG", "width": 8, "height": 8, "count": 1, "dtype": "uint8"}
        georeferenced = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 5e6)}
        with rasterio.open(path, "w", **profile, **georeferenced) as target:
            target.write(np.ones((1, 8, 8), np.uint8))
    else:
        path.write_text(vrt_of(tmp_path / "secret.tif") if kind == "vrt" else "moved")
    with pytest.raises(RasterioIOError, match=r"^B04.tif is no GeoTIFF or JPEG 2000$"):
        open_image(path)


def test_inline_vrts_and_files_of_other_drivers_are_no_addresses(tmp_path):
    for address in (vrt_of(tmp_path / "secret.tif"), f"vrt://{tmp_path / 'secret.tif'}"):
        with pytest.raises(RasterioIOError):
            open_image(address)
