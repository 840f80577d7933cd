import pytest

from citygrain.errors import InputError
from citygrain.imagery.schemes import Evidence, named_scheme, refuse_other_scheme
from citygrain.legend import DYNAMIC_WORLD, FROM_GLC10, LCZ, URBAN, WORLDCOVER, Legend, ready_legends

NAMED = [legend for legend in ready_legends().values() if legend is not URBAN and legend.scheme != "urban-atlas"]


@pytest.mark.parametrize("legend", NAMED, ids=lambda legend: legend.scheme)
def test_names_and_colours_tell_the_scheme(legend: Legend) -> None:
    values = {int(c.in_files[0]): c for c in legend}
    names = {value: c.name for value, c in values.items()}
    colors = {value: c.rgb for value, c in values.items()}
    by_name = named_scheme(Evidence("a.tif", names=names))
    assert by_name is not None
    assert (by_name.scheme, by_name.by) == (legend.scheme, "the names of its classes")
    by_color = named_scheme(Evidence("a.tif", colors=colors))
    assert by_color is not None
    assert by_color.scheme == legend.scheme


@pytest.mark.parametrize(
    ("file", "scheme"),
    [
        ("ESA_WorldCover_10m_2021_v200_N51E012_Map.tif", "worldcover"),
        ("worldcover_berlin.tif", "worldcover"),
        ("fromglc10v01_52_12.tif", "from-glc10"),
        ("U2018_CLC2018_V2020_20u1.tif", "corine"),
        ("lcz_filter_v3.tif", "lcz"),
        ("reference.tif", None),
        ("worldcover_against_fromglc10.tif", None),
    ],
)
def test_file_names(file: str, scheme: str | None) -> None:
    said = named_scheme(Evidence(file))
    assert (said and said.scheme) == scheme


def test_a_worldcover_file_is_not_read_as_from_glc10() -> None:
    for evidence in (
        Evidence("a.tif", tags={"title": "ESA WorldCover product at 10m resolution for year 2021"}),
        Evidence("a.tif", tags={"scheme": "worldcover"}),
        Evidence("a.tif", names={c.code: c.name for c in WORLDCOVER}),
        Evidence("a.tif", colors={c.code: c.rgb for c in WORLDCOVER}),
        Evidence("ESA_WorldCover_10m_2021_v200_N51E012_Map.tif"),
    ):
        with pytest.raises(InputError, match="10 is not 'Tree cover' but 'Cropland'; wanted: worldcover"):
            refuse_other_scheme(evidence, FROM_GLC10)
        assert refuse_other_scheme(evidence, WORLDCOVER) is not None


def test_what_a_file_was_made_from_may_stand_in_its_name() -> None:
    assert refuse_other_scheme(Evidence("worldcover_to_urban.tif"), URBAN) is None
    assert refuse_other_scheme(Evidence("lcz_from_worldcover.tif"), LCZ) is None


def test_few_colours_are_no_evidence() -> None:
    assert named_scheme(Evidence("a.tif", colors={1: (1, 2, 3), 10: WORLDCOVER.classes[0].rgb})) is None


def test_a_file_that_says_nothing_is_not_refused() -> None:
    assert refuse_other_scheme(Evidence("a.tif"), DYNAMIC_WORLD) is None
