"""Superpixels: SLIC that gives the same labels however the scene is tiled, and figures of their quality."""
