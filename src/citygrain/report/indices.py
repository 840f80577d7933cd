"""Maps of spectral indices, each with its own scale: around 0 where it has both signs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import xarray as xr
from matplotlib.figure import Figure

from citygrain.errors import InputError
from citygrain.report.display import furnish_map, thin
from citygrain.report.style import DIVERGING, SEQUENTIAL, new_figure, styled

__all__ = ["figure_index_maps"]

_WIDTH = 9.6


@styled
def figure_index_maps(features: xr.DataArray, names: Sequence[str] | None = None) -> Figure:
    """Draw indices as maps, each from its 2nd to its 98th percentile.

    Where these differ in sign, the scale is brown below 0, white at 0 and green above, and reaches as far to either
    side.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        Indices, or any layers; NaN = no data, drawn white.
    names : sequence of str, optional
        Which of them, in this order; all if not given.

    Raises
    ------
    InputError
        If a name is not there.
    """
    known = [str(name) for name in features.band.values]
    chosen = list(names) if names is not None else known
    missing = [name for name in chosen if name not in known]
    if missing or not chosen:
        raise InputError(f"index {', '.join(missing) or '(none)'}", wanted=f"one or more of {', '.join(known)}")
    across = min(3, len(chosen))
    down = -(-len(chosen) // across)
    cell = _WIDTH / across if across > 1 else 7.2
    height, width = features.shape[1:]
    figure = new_figure(cell * across, (min(cell * height / width, 1.25 * cell) + 0.75) * down)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(grid, chosen, strict=False):
        values = thin(features.isel(band=known.index(name)), 700).values
        low, high, colors = _scale(values)
        shown = axes.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="nearest")
        furnish_map(axes, (values.shape[0], values.shape[1]), features.odc.geobox)
        axes.set_title(name)
        bar = figure.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.8, aspect=32, pad=0.02, extend="both")
        bar.outline.set_visible(False)
        bar.ax.locator_params(nbins=5)
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    return figure


def _scale(values: npt.NDArray[np.float32]) -> tuple[float, float, str]:
    """Return lower end, upper end and colours."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (2, 98)).tolist() if known.size else (0.0, 1.0)
    if low < 0 < high:
        reach = max(-low, high)
        return -reach, reach, DIVERGING
    return low, max(high, low + 1e-6), SEQUENTIAL
