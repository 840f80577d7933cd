"""Imagery from open catalogues: what there is of an area, what of it is clear, and how it comes onto one grid."""
