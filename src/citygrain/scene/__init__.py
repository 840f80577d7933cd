"""Rasters in and out: files to reflectance, results to Cloud-Optimised GeoTIFF, and a synthetic city."""
