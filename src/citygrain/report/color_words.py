"""Colours in words, so that a legend can be read by those who cannot tell its colours apart."""

import colorsys

__all__ = ["color_word"]

_HUES = (
    (15, "red"),
    (40, "orange"),
    (66, "yellow"),
    (88, "yellow-green"),
    (160, "green"),
    (195, "turquoise"),
    (255, "blue"),
    (290, "purple"),
    (345, "pink"),
    (360, "red"),
)
"""Upper ends of the hues in degrees."""


def color_word(color: str) -> str:
    """Return what a colour is called.

    Parameters
    ----------
    color : str
        ``#rrggbb``.

    Examples
    --------
    >>> [color_word(color) for color in ("#006400", "#fa0000", "#0064c8", "#f096ff", "#ffff4c", "#b4b4b4", "#5c3a1e")]
    ['dark green', 'red', 'blue', 'pale pink', 'yellow', 'grey', 'brown']
    """
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, _ = colorsys.rgb_to_hls(red, green, blue)
    chroma = max(red, green, blue) - min(red, green, blue)
    if chroma < 0.11:
        return _grey(light)
    name = next(word for end, word in _HUES if hue * 360 <= end)
    if name in ("orange", "red") and light < 0.45 and chroma < 0.62 and hue * 360 > 8:
        return "dark brown" if light < 0.18 else "brown"
    if light < 0.3:
        return f"dark {name}"
    return f"pale {name}" if light > 0.74 else name


def _grey(light: float) -> str:
    for end, word in ((0.12, "black"), (0.4, "dark grey"), (0.74, "grey"), (0.96, "pale grey")):
        if light < end:
            return word
    return "white"
