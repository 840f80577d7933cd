"""Which images can be used, and which of them one overpass took."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from citygrain.imagery.observation import Observation

__all__ = ["QUALITY", "overpasses", "quality_layer", "usable"]

QUALITY = ("SCL", "FMASK", "QA")
"""Layers that say where an image sees the ground."""
_OF_PRODUCT = {"sentinel-2": "SCL", "hls": "FMASK", "hls-s30": "FMASK", "hls-l30": "FMASK", "landsat": "QA"}
_APART = timedelta(minutes=15)
"""Tiles of one overpass are taken within seconds; the next overpass of any orbit comes 98 minutes later."""


def quality_layer(observation: Observation) -> str | None:
    """Return the layer that says where an image sees the ground: SCL, FMASK or QA; None if it has none."""
    return next((layer for layer in QUALITY if layer in observation.assets), None)


def usable(
    observations: Iterable[Observation], bands: Sequence[str], *, masked: bool = True
) -> tuple[list[Observation], list[str]]:
    """Sort out images that lack a wanted band or, with `masked`, their quality layer; say which and why.

    Level-1C products have no quality layer; nothing is wanted of them, and nothing hides their clouds.

    Returns
    -------
    list of Observation
        Those that can be used, in the order given.
    list of str
        One line for each of the others, ``"S2B_...: has no SCL"``.
    """
    kept, left_out = [], []
    for one in observations:
        quality = quality_layer(one) or _usual_layer(one) if masked else None
        wanted = (*bands, quality) if quality else bands
        missing = [name for name in wanted if one.assets.get(name) not in one.item.assets]
        if missing:
            left_out.append(f"{one.id}: has no {', '.join(missing)}")
        else:
            kept.append(one)
    return kept, left_out


def overpasses(observations: Iterable[Observation]) -> list[tuple[Observation, ...]]:
    """Group images by overpass: of one product, each taken within 15 minutes of the one before.

    The order given does not matter: groups come by time, and images in a group by time, tile and name.
    """
    ordered = sorted(observations, key=lambda one: (one.time, one.product, one.tile or "", one.id))
    groups: list[list[Observation]] = []
    for product in sorted({one.product for one in ordered}):
        last: Observation | None = None
        for one in (each for each in ordered if each.product == product):
            if last is None or one.time - last.time > _APART:
                groups.append([])
            groups[-1].append(one)
            last = one
    return sorted((tuple(group) for group in groups), key=lambda group: (group[0].time, group[0].id))


def _usual_layer(one: Observation) -> str | None:
    return None if one.level == "L1C" else _OF_PRODUCT.get(one.product)
