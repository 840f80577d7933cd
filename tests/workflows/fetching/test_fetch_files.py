"""What is written beside the images can be read, whatever the area is called."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from citygrain.workflows.fetching.fetch_files import config_text


@given(st.text(), st.sampled_from([("s2.tif",), ("s2.tif", "s1.tif")]), st.booleans(), st.none() | st.just(2021))
def test_a_configuration_is_toml(title, scenes, dates, year):
    read = tomllib.loads(config_text(scenes=scenes, dates=dates, map_year=year, title=title))
    named = read["scene"]["dates"] if dates else read["scene"]["path"]
    assert named == (list(scenes) if dates or len(scenes) > 1 else scenes[0])
    assert read["reference"].get("year") == year
