from pathlib import Path
from typing import Any

import pytest

from citygrain.errors import ConfigError
from citygrain.workflows.config_file import parse_config, read_config

RIGHT: dict[str, Any] = {"scene": {"path": "s2.tif"}, "reference": {"path": "r.tif", "classes": {"1": "a", "2": "b"}}}


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("scene", "pathh", "x", r"\[scene\] pathh is unknown.*did you mean path\?"),
        ("segments", "n_segment", 9, r"did you mean n_segments\?"),
        ("model", "name", "cnnn", r"\[model\] name = 'cnnn'; wanted: .*'forest'"),
        ("model", "epochs", 0, r"\[model\] epochs = 0; wanted: .*1"),
        ("samples", "window", "wide", r"\[samples\] window = 'wide'"),
        ("samples", "block", -1, r"\[samples\] block = -1"),
        ("scene", "scale", 0, r"\[scene\] scale = 0"),
        ("segments", "area", 1.0, ""),
        ("projector", "bands", ["B04"], r"\[projector\] bands = \['B04'\]; wanted: .*3"),
        ("projector", "points", 9000, r"\[projector\] points = 9000; wanted: .*5000"),
        ("reference", "legend", "lcz", r"either classes .*, legend = a ready one, or product"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(section: str, key: str, value: object, message: str) -> None:
    content = RIGHT | {section: {**RIGHT.get(section, {}), key: value}}
    if not message:
        assert parse_config(content).segments.area == value
        return
    with pytest.raises(ConfigError, match=message) as error:
        parse_config(content)
    assert "\n" not in str(error.value)


def test_an_unknown_section_is_named_before_what_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"refrence is unknown.*did you mean reference"):
        parse_config({"scene": {"path": "x"}, "refrence": {}})
    with pytest.raises(ConfigError, match="reference is missing"):
        parse_config({"scene": {"path": "x"}})


def test_paths_start_at_the_file_and_hold_variables(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        '[scene]\npath = ["${HERE}/a.tif", "b.tif"]\n[reference]\npath = "/r.tif"\nlegend = "lcz"\n', encoding="utf-8"
    )
    config = read_config(file, {"HERE": "/somewhere"})
    assert config.scene.paths == [Path("/somewhere/a.tif"), tmp_path / "b.tif"]
    assert config.reference.path == "/r.tif"
    with pytest.raises(ConfigError, match="needs the variable HERE"):
        read_config(file, {})


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.toml", {})
    (tmp_path / "bad.toml").write_text("[scene", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_config(tmp_path / "bad.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "binary.toml", {})


def test_a_path_with_a_stray_dollar_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a path"):
        parse_config(RIGHT | {"scene": {"path": "$[x"}})


def test_labelled_points_lie_beside_the_configuration(tmp_path: Path) -> None:
    content = {
        "scene": {"path": "s2.tif"},
        "reference": {"path": "r.tif", "legend": "urban"},
        "assess": {"points": "labelled.gpkg", "design": "${HERE}/points.design.json"},
    }
    config = parse_config(content, folder=tmp_path, variables={"HERE": "/data"})
    assert config.assess.points == str(tmp_path / "labelled.gpkg")
    assert config.assess.paths == [tmp_path / "labelled.gpkg", Path("/data/points.design.json")]
    assert parse_config({key: content[key] for key in ("scene", "reference")}).assess.paths == []
