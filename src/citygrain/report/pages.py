"""What the HTML reports share: templates that escape whatever is put in, figures within the page, numbers as words."""

import base64
import re
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from citygrain.report.style import encode_figure

__all__ = ["commands_marked", "page_template", "picture_address", "thousands"]

_COMMAND = re.compile(r"`([^`\n]+)`")


@cache  # a template is compiled in a tenth of a second
def page_template(name: str, *, missing: str = "undefined") -> Template:
    """Return a template of this room: everything from outside is escaped, and a name that is not there is an error.

    Parameters
    ----------
    name : str
        File in ``templates/``.
    missing : str
        What stands for a figure that is not defined.
    """
    environment = Environment(
        loader=PackageLoader("citygrain", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["commands"] = commands_marked
    shown = {"percent": _percent, "decimal": _decimal, "thousands": thousands, "points": _points}
    environment.filters.update({word: partial(_or_missing, missing, function) for word, function in shown.items()})
    return environment.get_template(name)


def commands_marked(text: str) -> Markup:
    """Return a sentence as HTML: what stands between backticks is code, all else is escaped.

    Examples
    --------
    >>> str(commands_marked("`citygrain design` draws <points>"))
    '<code>citygrain design</code> draws &lt;points&gt;'
    """
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def picture_address(figure: Figure, *, photograph: bool = False, dpi: float = 144) -> str:
    """Return a figure as a data address, so that the page asks for nothing from elsewhere."""
    kind = "jpg" if photograph else "png"
    content = base64.b64encode(encode_figure(figure, kind, dpi=dpi)).decode("ascii")
    return f"data:image/{'jpeg' if photograph else 'png'};base64,{content}"


def thousands(value: float, digits: int = 0) -> str:
    """Return a number in groups of three digits.

    Examples
    --------
    >>> thousands(27000).replace("\u202f", " ")
    '27 000'
    """
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def _or_missing(missing: str, function: Callable[..., str], value: float | None, *digits: int) -> str:
    return missing if value is None or not np.isfinite(value) else function(value, *digits)


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\u202f%"


def _points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "\u2212")


def _decimal(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"
