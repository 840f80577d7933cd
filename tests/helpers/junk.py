"""JSON in which something is not what it should be."""

import copy
from typing import Any

from hypothesis import strategies as st

__all__ = ["JUNK", "places", "with_junk"]

JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("https://[x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
"""Values that no reader of JSON hopes for."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a JSON value, the whole first."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in places(value[key], (*path, key)))]


def with_junk(document: Any, place: tuple[Any, ...], junk: Any) -> Any:
    """A copy with something else in one of its places."""
    if not place:
        return junk
    changed = copy.deepcopy(document)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    return changed
