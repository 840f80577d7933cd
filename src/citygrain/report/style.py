"""How every figure looks: one style sheet, colours that colour-blind readers can tell apart, and no hidden state.

Figures are plain ``matplotlib.figure.Figure`` objects, never pyplot's: nothing is shown, nothing is left open, and a
program that draws its own figures beside ours keeps its own style.
"""

import functools
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.figure import Figure

from citygrain.errors import InputError
from citygrain.files import whole_file

__all__ = [
    "DIVERGING",
    "INK",
    "MUTED",
    "PALE",
    "RIGHT",
    "SEQUENTIAL",
    "TRIO",
    "WRONG",
    "encode_figure",
    "new_figure",
    "save_figure",
    "styled",
]

INK = "#1f2328"
MUTED = "#6b7280"
PALE = "#d9dde2"
WRONG = "#d55e00"
"""Okabe and Ito's vermilion: disagreement, wherever it is drawn."""
RIGHT = "#a9cbe2"
TRIO = ("#0072b2", "#e69f00", "#009e73")
"""Okabe and Ito's blue, orange and green, for three series."""
SEQUENTIAL = "cividis"
"""A sequential map that reads the same with and without red-green vision (doi:10.1371/journal.pone.0199239)."""

DIVERGING = "BrBG"
"""Brown to green through white, for values around 0; told apart without red-green vision (ColorBrewer)."""

_SHEET: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#9aa1a9",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "pdf.fonttype": 42,  # TrueType, whole letters: journals refuse matplotlib's own Type 3
    "savefig.dpi": 150,
    "svg.fonttype": "none",  # text stays text: found, read aloud, and edited in Inkscape and Illustrator
    "svg.hashsalt": "citygrain",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}

_Parameters = ParamSpec("_Parameters")


def styled(draw: Callable[_Parameters, Figure]) -> Callable[_Parameters, Figure]:
    """Draw under the project's style sheet, whatever the caller's own is."""

    @functools.wraps(draw)
    def drawn(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> Figure:
        with _sheet():
            return draw(*args, **kwargs)

    return drawn


@contextmanager
def _sheet() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        for key, value in _SHEET.items():
            mpl.rcParams[key] = value  # type: ignore[index]  # matplotlib types its keys one by one
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches that belongs to nobody but the caller."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)  # or titles touch the edge
    return figure


def encode_figure(figure: Figure, kind: str = "png", *, dpi: float = 150) -> bytes:
    """Return the figure as an image file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
        What to write.
    kind : str
        ``png``, ``pdf``, ``svg``, or ``jpg`` (for photographs).
    dpi : float
        Dots per inch; in svg and pdf, those of pictures alone: lines and letters stay what they are.
    """
    unsaid: dict[str, dict[str, Any]] = {
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 5}},
        "pdf": {"metadata": {"CreationDate": None, "Producer": None, "Creator": None}},
        "svg": {"metadata": {"Date": None, "Creator": None}},
        "jpg": {"pil_kwargs": {"quality": 87, "optimize": True}},
    }
    if kind not in unsaid:
        raise InputError(f"figure format {kind!r}", wanted=f"one of {', '.join(unsaid)}")
    target = io.BytesIO()
    with _sheet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box: better than no figure
        engine = figure.get_layout_engine()
        if engine is not None:  # laid out once, or matplotlib would resample every picture twice
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(target, format=kind, dpi=dpi, **unsaid[kind])
    content = target.getvalue()
    if kind == "svg":  # where DejaVu is not installed, its twin in width stands in
        content = re.sub(rb"(font[^;\"]*: ?[^;\"]*)'DejaVu Sans'", rb"\1'DejaVu Sans', Verdana, sans-serif", content)
    return content


def save_figure(figure: Figure, path: Path, *, dpi: float = 150) -> None:
    """Write the figure; the file's ending chooses the format, and the file appears whole or not at all.

    Raises
    ------
    InputError
        If the ending is none of png, pdf, svg, jpg.
    OutputError
        If the file cannot be written.
    """
    content = encode_figure(figure, path.suffix.lower().lstrip(".") or "png", dpi=dpi)
    with whole_file(path) as partial:
        partial.write_bytes(content)
