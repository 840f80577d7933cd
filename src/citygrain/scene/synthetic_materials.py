"""What the synthetic city is made of: the reflectance of each surface in the ten bands, and how much it varies.

The values are rounded means of Sentinel-2 surface reflectance as seen over Central European cities in early summer.
Some surfaces are close to one another (meadow and green crop, bare soil and gravel), as they are from space.
"""

import numpy as np

__all__ = ["BANDS", "COARSE_BANDS", "MATERIALS", "OBJECT_SPREAD", "SPECTRA", "TEXTURE", "Cover", "cover_classes"]

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""The bands of the scene in file order."""
COARSE_BANDS = frozenset({"B05", "B06", "B07", "B8A", "B11", "B12"})
"""Bands that Sentinel-2 samples at 20 m."""


class Cover:
    """Land cover finer than the legend: what a reference confuses depends on it."""

    FABRIC, GARDEN, PAVED, GREEN_CROP, BARE_CROP, PARK, MEADOW, FOREST, WATER = range(9)


def cover_classes() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the class code (urban 1, crop 2, vegetation 3, water 4) of each `Cover`.

    Examples
    --------
    >>> int(cover_classes()[Cover.MEADOW])
    3
    """
    return np.array([1, 1, 1, 2, 2, 3, 3, 3, 4], np.uint8)


# name: (reflectance x 1000 in BANDS order, spread between objects, texture within an object), both relative
_TABLE: dict[str, tuple[tuple[int, ...], float, float]] = {
    "red roof": ((62, 88, 158, 186, 203, 216, 228, 238, 285, 250), 0.20, 0.10),
    "dark roof": ((62, 67, 72, 78, 83, 88, 93, 98, 125, 118), 0.25, 0.08),
    "bright roof": ((290, 310, 320, 330, 335, 340, 345, 350, 345, 315), 0.25, 0.06),
    "blue roof": ((165, 150, 112, 106, 108, 112, 118, 122, 145, 132), 0.20, 0.06),
    "asphalt": ((74, 84, 93, 99, 105, 110, 115, 120, 150, 142), 0.12, 0.08),
    "concrete": ((132, 155, 178, 190, 200, 209, 218, 225, 270, 255), 0.18, 0.10),
    "gravel": ((118, 145, 178, 198, 212, 224, 236, 248, 325, 300), 0.18, 0.12),
    "shade": ((28, 30, 30, 34, 42, 46, 48, 51, 52, 42), 0.15, 0.15),
    "lawn": ((36, 74, 46, 108, 268, 318, 345, 362, 225, 118), 0.12, 0.08),
    "dry grass": ((56, 90, 92, 136, 225, 258, 282, 302, 282, 186), 0.15, 0.08),
    "broadleaf": ((22, 42, 26, 66, 222, 282, 305, 322, 148, 64), 0.10, 0.17),
    "conifer": ((16, 29, 20, 43, 135, 170, 188, 200, 90, 40), 0.10, 0.15),
    "meadow": ((33, 68, 42, 102, 282, 345, 372, 390, 218, 108), 0.14, 0.08),
    "young crop": ((48, 78, 72, 116, 232, 278, 305, 325, 262, 168), 0.16, 0.06),
    "green crop": ((27, 60, 33, 90, 315, 405, 432, 450, 202, 92), 0.14, 0.05),
    "rape": ((46, 128, 112, 176, 330, 385, 412, 430, 218, 106), 0.12, 0.05),
    "ripening crop": ((55, 88, 100, 150, 225, 255, 280, 300, 285, 195), 0.14, 0.05),
    "ripe crop": ((72, 108, 148, 188, 222, 246, 270, 290, 345, 255), 0.14, 0.05),
    "pale soil": ((92, 120, 158, 184, 202, 216, 234, 250, 340, 310), 0.16, 0.05),
    "brown soil": ((62, 82, 110, 130, 148, 160, 175, 190, 265, 240), 0.18, 0.05),
    "river": ((52, 66, 46, 36, 22, 21, 18, 16, 9, 7), 0.10, 0.03),
    "lake": ((36, 36, 19, 15, 11, 10, 8, 7, 5, 4), 0.10, 0.03),
    "reed": ((34, 56, 48, 86, 175, 205, 222, 238, 165, 92), 0.12, 0.14),
}
MATERIALS = {name: np.uint8(number) for number, name in enumerate(_TABLE)}
"""Number of each material by name."""
SPECTRA = np.array([row[0] for row in _TABLE.values()], np.float32) / np.float32(1000)
"""Reflectance (material, band)."""
OBJECT_SPREAD = np.array([row[1] for row in _TABLE.values()], np.float32)
"""Largest relative departure of an object (a roof, a field) from its material's mean, (material,)."""
TEXTURE = np.array([row[2] for row in _TABLE.values()], np.float32)
"""Relative standard deviation between the 5-m cells of one object, (material,)."""
