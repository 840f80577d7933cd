import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.imagery.tile_names import TileScheme, tile_names

WORLDCOVER = TileScheme("", "{ns}{lat:02d}{ew}{lon:03d}", degrees=3)
FROM_GLC = TileScheme("", "fromglc10v01_{south}_{west}", degrees=2)
ZONES = TileScheme("", "{zone}{band}", bands=True)


@pytest.mark.parametrize(
    ("bounds", "names"),
    [
        ((13.2, 52.4, 13.6, 52.6), ["N51E012"]),
        ((11.9, 50.9, 12.1, 51.1), ["N48E009", "N48E012", "N51E009", "N51E012"]),
        ((-46.7, -23.7, -46.5, -23.4), ["S24W048"]),
        ((12, 51, 15, 54), ["N51E012"]),  # an edge of a tile is not within the next
        ((179, -18, -179, -17), ["S18E177", "S18W180"]),
    ],
)
def test_worldcover_is_named_by_the_lower_left_corner(bounds: tuple[float, ...], names: list[str]) -> None:
    assert tile_names(WORLDCOVER, bounds) == names  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "names"),
    [
        ((13.2, 52.4, 13.6, 52.6), ["fromglc10v01_52_12"]),
        ((-0.3, 51.3, 0.2, 51.7), ["fromglc10v01_50_-2", "fromglc10v01_50_0"]),
        ((-46.7, -23.7, -46.5, -23.4), ["fromglc10v01_-24_-48"]),
    ],
)
def test_from_glc10_is_named_by_latitude_then_longitude(bounds: tuple[float, ...], names: list[str]) -> None:
    assert tile_names(FROM_GLC, bounds) == names  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "names"),
    [((13.2, 52.4, 13.6, 52.6), ["33U"]), ((179, 0.5, 180, 83), [f"60{letter}" for letter in "NPQRSTUVWX"])],
)
def test_zones_and_bands(bounds: tuple[float, ...], names: list[str]) -> None:
    assert tile_names(ZONES, bounds) == names  # type: ignore[arg-type]


@given(
    st.floats(-179, 179),
    st.floats(-59, 79),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.sampled_from([WORLDCOVER, FROM_GLC]),
)
def test_every_corner_of_an_area_lies_in_one_of_its_tiles(
    west: float, south: float, width: float, height: float, scheme: TileScheme
) -> None:
    names = tile_names(scheme, (west, south, west + width, south + height))
    corners = [(x, y) for x in (west + 1e-6, west + width - 1e-6) for y in (south + 1e-6, south + height - 1e-6)]
    for x, y in corners:
        assert tile_names(scheme, (x, y, x + 1e-9, y + 1e-9))[0] in names
    assert len(set(names)) == len(names) <= 4


@pytest.mark.parametrize("bounds", [(0, 10, 1, 10), (0, 0, 200, 1), (0, -91, 1, 1), (1, 0, 1, 1)])
def test_no_area_is_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="west, south, east, north"):
        tile_names(WORLDCOVER, bounds)  # type: ignore[arg-type]
