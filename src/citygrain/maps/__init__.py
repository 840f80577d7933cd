"""Thematic maps: prediction over a tessellation, map products and their styles."""
