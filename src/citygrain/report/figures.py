"""Every figure of the project in one place: each takes values and returns a ``Figure``; nothing is shown.

Maps are drawn in `maps`, superpixels in `superpixels`, indices in `indices`, two maps in `differences`, training areas
in `areas`, patches in `patches`, matrices side by side in `matrices`, bars by class in `bars`, calibration in
`reliability`, scores of a benchmark in `benchmark`, the rest in `charts`; what joins them is here.
"""

from collections.abc import Sequence

import xarray as xr
from matplotlib.figure import Figure

from citygrain.report.areas import figure_areas
from citygrain.report.bars import figure_area_bars, figure_balance, figure_sample_counts
from citygrain.report.benchmark import figure_scores
from citygrain.report.charts import (
    draw_histograms,
    figure_class_bars,
    figure_confusion,
    figure_histograms,
    figure_learning_curves,
    figure_patches,
    figure_times,
)
from citygrain.report.differences import figure_changes, figure_right_where
from citygrain.report.display import false_color_bands, natural_bands, rgb_image
from citygrain.report.indices import figure_index_maps
from citygrain.report.labels import figure_pixel_account
from citygrain.report.maps import (
    draw_composite,
    figure_composite,
    figure_confidence,
    figure_errors,
    figure_legend,
    figure_map,
    figure_maps,
)
from citygrain.report.matrices import figure_matrices
from citygrain.report.patches import figure_patch_sheet, figure_radar_sheet
from citygrain.report.reliability import figure_calibration, figure_reliability
from citygrain.report.sets import figure_set_sizes
from citygrain.report.style import encode_figure, new_figure, save_figure, styled
from citygrain.report.superpixels import figure_segments, figure_sweep
from citygrain.report.variogram import figure_variogram

__all__ = [
    "Figure",
    "encode_figure",
    "false_color_bands",
    "figure_area_bars",
    "figure_areas",
    "figure_balance",
    "figure_calibration",
    "figure_changes",
    "figure_class_bars",
    "figure_composite",
    "figure_confidence",
    "figure_confusion",
    "figure_errors",
    "figure_histograms",
    "figure_index_maps",
    "figure_learning_curves",
    "figure_legend",
    "figure_look",
    "figure_map",
    "figure_maps",
    "figure_matrices",
    "figure_patch_sheet",
    "figure_patches",
    "figure_pixel_account",
    "figure_radar_sheet",
    "figure_reliability",
    "figure_right_where",
    "figure_sample_counts",
    "figure_scores",
    "figure_segments",
    "figure_set_sizes",
    "figure_sweep",
    "figure_times",
    "figure_variogram",
    "rgb_image",
    "save_figure",
]


@styled
def figure_look(
    scene: xr.DataArray, bands: Sequence[str] | None = None, *, percentiles: tuple[float, float] = (1.0, 99.0)
) -> Figure:
    """Draw a first look at a scene: a composite, a false-colour one beside it, and the histogram of every band.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    bands : sequence of str, optional
        Bands for red, green and blue of the first composite; the natural colours where the scene has them.
    percentiles : tuple of float
        Percentiles that become black and white.
    """
    first = tuple(bands) if bands else natural_bands(scene)
    second = false_color_bands(scene)
    composites = [first, *([second] if second and second != first else [])]
    width = 9.6
    top = min(width / len(composites) * scene.shape[1] / scene.shape[2], width) + 0.35
    below = 1.4 * -(-scene.shape[0] // 5) + 0.35
    figure = new_figure(width, top + below)
    upper, lower = figure.subfigures(2, 1, height_ratios=(top, below), squeeze=False)[:, 0]
    for axes, chosen in zip(upper.subplots(1, len(composites), squeeze=False)[0], composites, strict=True):
        draw_composite(axes, scene, chosen, percentiles)
    draw_histograms(lower, scene)
    return figure
