"""The configuration of a run: a TOML file, checked as a whole before any work begins.

Unknown keys are refused with the nearest known one; paths are relative to the file and may hold ``${NAME}``.
"""

import difflib
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from citygrain.errors import ConfigError
from citygrain.workflows.config import ReferenceConfig, RunConfig
from citygrain.workflows.references import settled_merge

__all__ = ["parse_config", "read_config"]


def read_config(path: Path, variables: Mapping[str, str]) -> RunConfig:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        TOML file.
    variables : mapping of str to str
        Values for ``${NAME}`` in paths.

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or holds an unknown key or an impossible value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", wanted="a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return parse_config(content, folder=path.parent, variables=variables, name=str(path))


def parse_config(
    content: Mapping[str, Any],
    *,
    folder: Path = Path(),
    variables: Mapping[str, str] | None = None,
    name: str = "config",
) -> RunConfig:
    """Check a configuration given as plain values.

    Parameters
    ----------
    content : mapping
        Sections of the TOML file.
    folder : Path
        Folder that relative paths start from.
    variables : mapping of str to str, optional
        Values for ``${NAME}`` in paths.
    name : str
        How messages call the configuration.

    Raises
    ------
    ConfigError
        If there is an unknown key or an impossible value.

    Examples
    --------
    >>> parse_config({"scene": {"path": "s2.tif"}, "refrence": {}})
    Traceback (most recent call last):
    ...
    citygrain.errors.ConfigError: config: refrence is unknown; wanted: one of scene, reference, features, units, \
segments, samples, model, map, seed, tensorboard, projector, compute, assess; did you mean reference?
    """
    try:
        config = RunConfig.model_validate(content)
    except ValidationError as error:
        raise _first_mistake(error, name) from None
    if config.samples.split == "superpixels" and config.units.kind != "pixels":
        came = f"{name}: [samples] split = 'superpixels' with [units] kind = {config.units.kind!r}"
        raise ConfigError(came, wanted="kind = 'pixels'", mend="or set split = 'blocks', which keeps them whole, too")
    paths = [_resolved(p, folder, variables or {}, name) for p in map(str, config.scene.paths)]
    place = "dates" if config.scene.dates else "path"
    scene = config.scene.model_copy(update={place: paths[0] if isinstance(config.scene.path, str) else paths})
    reference = _resolved_reference(config.reference, folder, variables or {}, name)
    given = {key: getattr(config.assess, key) for key in ("points", "design")}
    files = {key: _resolved(path, folder, variables or {}, name) for key, path in given.items() if path is not None}
    beside = {
        key: _resolved_reference(value, folder, variables or {}, name)
        for key in ("product", "second_reference")
        if (value := getattr(config.assess, key)) is not None
    }
    assess = config.assess.model_copy(update=files | beside)
    return config.model_copy(update={"scene": scene, "reference": reference, "assess": assess})


def _resolved_reference(
    given: ReferenceConfig, folder: Path, variables: Mapping[str, str], name: str
) -> ReferenceConfig:
    """Return a reference with its path and its merge, which a product or a table may bring."""
    merge = given.merge
    if isinstance(merge, str) and merge.lower().endswith(".csv"):
        merge = _resolved(merge, folder, variables, name)
    path = _resolved(given.path, folder, variables, name)
    return given.model_copy(
        update={"path": path, "merge": settled_merge(given.legend, given.product, given.year, merge)}
    )


def _resolved(path: str, folder: Path, variables: Mapping[str, str], name: str) -> str:
    try:
        filled = string.Template(path).substitute(variables)
    except KeyError as error:
        raise ConfigError(
            f"{name}: {path} needs the variable {error.args[0]}", wanted="a value", mend=f"export {error.args[0]}=..."
        ) from None
    except ValueError:
        raise ConfigError(f"{name}: {path!r} is not a path", wanted="${NAME} with a closed brace, or $$") from None
    return str(folder / filled)


def _first_mistake(error: ValidationError, name: str) -> ConfigError:
    """Turn pydantic's report into one line; unknown keys first, since they often explain the rest."""
    mistakes = sorted(error.errors(), key=lambda m: m["type"] != "extra_forbidden")
    first = mistakes[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, 1, 0.5)
        mend = f"did you mean {near[0]}?" if near else ""
        return ConfigError(f"{name}: {_dotted(place)} is unknown", wanted=f"one of {', '.join(known)}", mend=mend)
    if first["type"] == "missing":
        return ConfigError(f"{name}: {_dotted(place)} is missing", mend=f"add {place[-1]} to the file")
    came = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
    return ConfigError(f"{name}: {_dotted(place)}{came}", wanted=first["msg"].removeprefix("Value error, wanted "))


def _known_keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in place:
        annotation = model.model_fields[part].annotation
        annotation = next((kind for kind in get_args(annotation) if kind is not type(None)), annotation)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _dotted(place: list[str]) -> str:
    return f"[{place[0]}] {'.'.join(place[1:])}" if len(place) > 1 else place[0]
