"""What a scene keeps of where it comes from, as tags of a GeoTIFF and back."""

from collections.abc import Mapping

__all__ = ["KEPT", "scene_tags", "tagged_attributes"]

KEPT = ("product", "level", "baseline", "time", "tile", "radiometry", "evidence", "resampling", "units")
"""Attributes of a scene that its file keeps."""
_PREFIX = "CITYGRAIN_"
_BARE = ("level", "radiometry")
"""These are also read without the prefix, as `citygrain fetch` writes them."""
_LONGEST = 1000


def scene_tags(attributes: Mapping[str, object]) -> dict[str, str]:
    """Return the tags of a file for a scene with these attributes.

    Examples
    --------
    >>> scene_tags({"level": "L2A", "baseline": "", "scale": 10_000.0})
    {'CITYGRAIN_LEVEL': 'L2A'}
    """
    return {f"{_PREFIX}{key.upper()}": str(attributes[key]) for key in KEPT if attributes.get(key)}


def tagged_attributes(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a scene that a file with these tags keeps.

    Examples
    --------
    >>> tagged_attributes({"CITYGRAIN_LEVEL": "L2A", "AREA_OR_POINT": "Area"})
    {'level': 'L2A'}
    """
    found = {key: tags.get(f"{_PREFIX}{key.upper()}") or (tags.get(key, "") if key in _BARE else "") for key in KEPT}
    return {key: value.strip()[:_LONGEST] for key, value in found.items() if value.strip()}
