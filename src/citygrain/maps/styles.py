"""Styles for other tools: a map that opens grey and without names communicates nothing."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from citygrain.legend import Legend

__all__ = ["qml_style"]


def qml_style(legend: Legend) -> str:
    """Return the QGIS style of a map; beside the map under the same name QGIS loads it by itself.

    Parameters
    ----------
    legend : Legend
        The classes. Their names are escaped.

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
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for c in legend:
        SubElement(palette, "paletteEntry", value=str(c.code), color=c.color, alpha="255", label=c.name)
    indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + tostring(root, encoding="unicode") + "\n"
