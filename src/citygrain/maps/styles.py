"""Styles for other tools: a map that opens grey and without names communicates nothing."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from citygrain.legend import Legend

__all__ = ["clr_style", "qml_style"]


def qml_style(legend: Legend, *, band: int = 1) -> str:
    """Return the QGIS style of a map; beside the map under the same name QGIS loads it by itself.

    Parameters
    ----------
    legend : Legend
        The classes. Their names are escaped.
    band : int
        Band of the file that is shown, from 1.

    Returns
    -------
    str
        QML (XML) with a paletted renderer; code 0 is transparent.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> 'value="4"' in qml_style(URBAN) and 'label="Water"' in qml_style(URBAN)
    True
    """
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band=str(band), opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for c in legend:
        SubElement(palette, "paletteEntry", value=str(c.code), color=c.color, alpha="255", label=c.name)
    indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + tostring(root, encoding="unicode") + "\n"


def clr_style(legend: Legend) -> str:
    """Return the colour map file that ArcGIS and QGIS load: one line ``code red green blue`` for each class.

    Parameters
    ----------
    legend : Legend
        The classes; the format has no room for names.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> clr_style(URBAN).splitlines()[3]
    '4 37 99 181'
    """
    return "".join(f"{c.code} {c.rgb[0]} {c.rgb[1]} {c.rgb[2]}\n" for c in legend)
