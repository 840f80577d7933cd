"""Urban land-cover and Local Climate Zone maps from Sentinel imagery.

A map is ``scatter(predict(gather(scene)))``; training is ``fit(gather(scene))``. The names below are the public face.
They are loaded when first used, so that ``import citygrain`` is quick and loads neither PyTorch nor matplotlib.

>>> import citygrain
>>> citygrain.URBAN.names
('Urban', 'Crop', 'Vegetation', 'Water')
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "citygrain.errors": ("CitygrainError", "ConfigError", "InputError", "ModelMismatchError", "OutputError"),
    "citygrain.legend": (
        "CORINE",
        "DYNAMIC_WORLD",
        "ESRI_LULC",
        "FROM_GLC10",
        "LCZ",
        "URBAN",
        "URBAN_ATLAS",
        "WORLDCOVER",
        "LandClass",
        "Legend",
    ),
    "citygrain.lcz": ("recode_lcz",),
    "citygrain.sensors": ("LANDSAT8", "SENTINEL1", "SENTINEL2"),
    "citygrain.scene.read": ("read_scene",),
    "citygrain.scene.write": ("write_cog",),
    "citygrain.scene.synthetic": ("synthetic_city",),
    "citygrain.imagery.references": ("map_product", "map_products"),
    "citygrain.imagery.product_rasters": ("read_product", "write_product"),
    "citygrain.features.indices": ("band_math", "spectral_index"),
    "citygrain.features.stack": ("compute_features",),
    "citygrain.segments.slic": ("superpixels",),
    "citygrain.segments.quality": ("segment_quality",),
    "citygrain.tessellation": ("Pixels", "SegmentPatches", "SegmentStatistics"),
    "citygrain.grid_patches": ("GridPatches",),
    "citygrain.samples.samples": ("Samples",),
    "citygrain.samples.reference": ("read_reference",),
    "citygrain.samples.training_areas": ("read_training_areas",),
    "citygrain.samples.area_checks": ("check_areas",),
    "citygrain.samples.draw": ("draw_samples",),
    "citygrain.samples.balance": ("balance",),
    "citygrain.samples.split": ("split_blocks",),
    "citygrain.samples.store": ("read_samples", "write_samples"),
    "citygrain.samples.matlab": ("read_matlab", "write_matlab"),
    "citygrain.samples.open": ("open_samples",),
    "citygrain.samples.so2sat": ("open_so2sat",),
    "citygrain.samples.patch_folder": ("open_patch_folder",),
    "citygrain.models.catalogue": ("load_model", "make_model"),
    "citygrain.models.shelf": ("find_model",),
    "citygrain.maps.predict": ("predict_map",),
    "citygrain.maps.smooth": ("lcz_filter",),
    "citygrain.maps.thematic_map": ("ThematicMap",),
    "citygrain.accuracy.assess": ("Assessment", "assess"),
    "citygrain.accuracy.lcz": ("lcz_accuracies",),
    "citygrain.accuracy.area": ("estimate_areas", "stratified_areas"),
    "citygrain.accuracy.calibration": ("calibration_scores", "fit_temperature"),
    "citygrain.accuracy.conformal": ("SetRule", "fit_sets"),
    "citygrain.maps.applicability": ("Applicability", "learn_applicability"),
    "citygrain.report.html": ("write_report",),
    "citygrain.workflows.city.city_map": ("run_city_map",),
    "citygrain.workflows.patches.benchmark_plan": ("BenchmarkPlan",),
    "citygrain.workflows.patches.patch_benchmark": ("run_benchmark",),
    "citygrain.workflows.config_file": ("read_config",),
    "citygrain.workflows.mapping.grid_map": ("map_grid",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - strings, made from the table above


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'citygrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
