"""A map of training areas in the colours of their classes, over the scene or on white, the doubtful ones marked."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import shapely
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from odc.geo.geobox import GeoBox

from citygrain.legend import LCZ
from citygrain.report.display import furnish_map, natural_bands, rgb_image, thin
from citygrain.report.style import INK, new_figure, styled
from citygrain.samples.area_checks import AreaChecks, map_projection

__all__ = ["figure_areas"]

_DOUBTFUL = "#e6007e"
"""Magenta: no Local Climate Zone is near it."""
_WIDTH = 7.2
_DOTS = 1000
_NUMBERS = 40
"""More numbers than that cannot be told apart on a page."""


@styled
def figure_areas(checks: AreaChecks, scene: xr.DataArray | None = None) -> Figure:
    """Draw training areas where they lie.

    Parameters
    ----------
    checks : AreaChecks
        The areas and what was found. Flagged polygons are outlined; those with a flag other than ``large`` are numbered
        as in the file.
    scene : DataArray, (band, y, x), optional
        Drawn beneath, in natural colours; areas outside it are counted in the title. Without it the areas are drawn on
        white, in the projection that they were measured in.
    """
    grid = _white_grid(checks) if scene is None else scene.odc.geobox
    picture = None if scene is None else rgb_image(thin(scene), natural_bands(scene))
    shape = tuple(grid.shape) if picture is None else picture.shape[:2]
    shapes = _on_picture(checks, grid, shape)
    shown = np.array([geometry.intersects(shapely.box(0, 0, shape[1], shape[0])) for geometry in shapes], bool)
    height = min(_WIDTH * shape[0] / shape[1], 1.25 * _WIDTH)
    rows = -(-(checks.polygons["code"][shown].nunique() + 1) // 3)
    figure = new_figure(_WIDTH, height + 0.6 + 0.2 * rows)
    figure.set_layout_engine("constrained", h_pad=0.08)  # or the title touches the edge of the page
    axes = figure.add_subplot()
    if picture is None:
        axes.set_aspect("equal")
    else:
        pale = picture + np.rint(0.2 * (255.0 - picture)).astype(
            np.uint8
        )  # so that the colours of the classes stand out
        axes.imshow(pale, interpolation="nearest" if max(shape) < 900 else "antialiased")
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(shape[0] - 0.5, -0.5)
    _draw(axes, checks, shapes, shown)
    furnish_map(axes, (shape[0], shape[1]), grid)
    if picture is None:
        axes.patch.set(edgecolor="#9aa1a9", linewidth=0.8)
    _title(axes, checks, shown, over_scene=scene is not None)
    _explain(figure, checks, shown)
    return figure


def _white_grid(checks: AreaChecks) -> GeoBox:
    frame = checks.areas.frame
    crs = map_projection(frame)
    west, south, east, north = frame.to_crs(crs).total_bounds
    margin = 0.06 * max(east - west, north - south, 500.0)
    span = max(east - west, north - south) + 2 * margin
    box = (west - margin, south - margin, east + margin, north + margin)
    grid: GeoBox = GeoBox.from_bbox(box, crs, resolution=span / _DOTS)
    return grid


def _on_picture(checks: AreaChecks, grid: GeoBox, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
    """Return the polygons in dots of the picture, whose pixels have their centres at whole numbers."""
    there = checks.areas.frame.to_crs(str(grid.crs.to_wkt()) if grid.crs else None).geometry.to_numpy()
    inverse = ~grid.affine
    thinned = np.array([grid.shape[1] / shape[1], grid.shape[0] / shape[0]])

    def dots(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        columns, rows = inverse * corners.T
        return np.asarray(np.stack([columns, rows], axis=1) / thinned - 0.5)

    return np.asarray(shapely.transform(there, dots))


def _outline(geometry: shapely.Geometry) -> Outline:
    rings = [ring for part in shapely.get_parts(geometry) for ring in (part.exterior, *part.interiors)]
    return Outline.make_compound_path(*[Outline(shapely.get_coordinates(ring), closed=True) for ring in rings])


def _draw(axes: Axes, checks: AreaChecks, shapes: npt.NDArray[np.object_], shown: npt.NDArray[np.bool_]) -> None:
    table = checks.polygons
    width = abs(float(np.diff(axes.get_xlim())[0]))
    doubtful = [bool(set(flags) - {"large"}) for flags in table["flags"]]
    order = [i for i in np.argsort(-table["area_m2"].to_numpy(), kind="stable") if shown[i]]  # small ones on top
    # The ground is to be seen through a large polygon; a small one is to be seen itself.
    opacity = np.where(np.sqrt(shapely.area(shapes)) > 0.06 * width, 0.7, 1.0)
    faces = [to_rgba(LCZ.color_of(table["code"].iloc[i]), opacity[i]) for i in order]
    paths = [_outline(shapes[i]) for i in order]
    axes.add_collection(PathCollection(paths, facecolors=faces, edgecolors=INK, linewidths=0.7))
    marked = [i for i in order if doubtful[i]]
    around = [_outline(shapes[i].convex_hull.buffer(0.008 * width)) for i in marked]
    axes.add_collection(PathCollection(around, facecolors="none", edgecolors="white", linewidths=2.8))
    axes.add_collection(PathCollection(around, facecolors="none", edgecolors=_DOUBTFUL, linewidths=1.5))
    if len(marked) <= _NUMBERS:
        _number(axes, [str(table["polygon"].iloc[i]) for i in marked], [shapes[i].bounds for i in marked], width)


def _number(
    axes: Axes, numbers: Sequence[str], bounds: Sequence[tuple[float, float, float, float]], width: float
) -> None:
    """Write each number at the corner of its polygon that is furthest from the numbers that stand already."""
    taken: list[tuple[float, float]] = []
    for number, (west, top, east, bottom) in zip(numbers, bounds, strict=True):
        gap = 0.014 * width
        corners = [
            (west - gap, top - gap),
            (east + gap, top - gap),
            (east + gap, bottom + gap),
            (west - gap, bottom + gap),
        ]
        free = [min((math.dist(corner, other) for other in taken), default=math.inf) for corner in corners]
        best = next((k for k, room in enumerate(free) if room > 0.06 * width), int(np.argmax(free)))
        taken.append(corners[best])
        axes.text(
            *corners[best],
            number,
            ha="right" if best in (0, 3) else "left",
            va="bottom" if best in (0, 1) else "top",
            fontsize=7.5,
            fontweight="bold",
            color=_DOUBTFUL,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
            clip_on=True,
        )


def _title(axes: Axes, checks: AreaChecks, shown: npt.NDArray[np.bool_], *, over_scene: bool) -> None:
    count, areas = len(checks.polygons), checks.areas
    said = [f"{count} training areas of {len(checks.classes)} classes"]
    if over_scene and not shown.all():
        said.append(f"{int((~shown).sum())} outside the scene")
    large = int(checks.polygons["flags"][shown].map(lambda flags: "large" in flags).sum())
    if large:
        said.append(f"{large} above 30 ha")
    name = areas.city or areas.source
    axes.set_title(f"{name}{f', {areas.date}' if areas.date else ''}: {', '.join(said)}")


def _explain(figure: Figure, checks: AreaChecks, shown: npt.NDArray[np.bool_]) -> None:
    present = checks.polygons["code"][shown].value_counts()
    entries: Sequence[tuple[str, str, str, float]] = [
        (f"{_letter(c.code)}  {c.name} ({present[c.code]})", c.color, "#8a9199", 0.5) for c in LCZ if c.code in present
    ]
    doubtful = checks.polygons["flags"][shown].map(lambda flags: bool(set(flags) - {"large"})).sum()
    if doubtful:
        numbered = ", numbered as in the file" if doubtful <= _NUMBERS else ""
        entries = [*entries, (f"to be looked at ({doubtful}){numbered}", "white", _DOUBTFUL, 1.8)]
    handles = [Patch(facecolor=face, edgecolor=edge, linewidth=width) for _, face, edge, width in entries]
    names = [name for name, *_ in entries]
    figure.legend(handles, names, loc="outside lower center", ncols=3, labelcolor=INK, fontsize=8, columnspacing=1.4)


def _letter(code: int) -> str:
    return str(code) if code <= 10 else "ABCDEFG"[code - 11]
