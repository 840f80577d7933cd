"""Formulas in band names, parsed and never run as code.

A formula comes from a configuration file, which may come from anybody. It is read into Python's syntax tree, every
node is held against a short list, and only then evaluated by us in float32 (rio-tiler's lesson: user expressions are
never given to ``eval``). Numbers are float32 throughout, so no formula can ask for more than a block of pixels.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["FUNCTIONS", "Formula", "parse_formula"]

FloatArray = npt.NDArray[np.float32]

_MAX_LENGTH = 500
_MAX_DEPTH = 50
_MAX_EXPONENT = 100.0

_OPERATORS: dict[type[ast.operator], Callable[..., FloatArray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
FUNCTIONS: dict[str, tuple[Callable[..., FloatArray], int]] = {
    "sqrt": (np.sqrt, 1),
    "log": (np.log, 1),
    "exp": (np.exp, 1),
    "abs": (np.abs, 1),
    "min": (np.minimum, 2),
    "max": (np.maximum, 2),
}
"""What a formula may call, with the number of arguments."""


@dataclass(frozen=True)
class Formula:
    """A formula that has passed the list of what is allowed.

    Attributes
    ----------
    text : str
        As written.
    names : tuple of str
        Names in it, in order of appearance.
    tree : ast.expr
        The syntax tree.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    def evaluate(self, values: Mapping[str, npt.NDArray[np.floating] | float]) -> FloatArray:
        """Return the formula's value in float32; what is not finite (a division by zero) becomes NaN.

        Parameters
        ----------
        values : mapping of str to numpy.ndarray or float
            One entry per name; arrays of one shape.

        Examples
        --------
        >>> red, nir = np.array([0.25, 0.0], np.float32), np.array([0.75, 0.0], np.float32)
        >>> parse_formula("(nir-red)/(nir+red)").evaluate({"nir": nir, "red": red})
        array([0.5, nan], dtype=float32)
        """
        with np.errstate(all="ignore"):
            result = np.asarray(_value(self.tree, values), np.float32)
        return np.where(np.isfinite(result), result, np.float32(np.nan))


def parse_formula(text: str) -> Formula:
    """Parse a formula of numbers, names, ``+ - * / **``, brackets and the functions in `FUNCTIONS`.

    Raises
    ------
    InputError
        If anything else is in it, or it is too long, too deep, or has exponents beyond 100.

    Examples
    --------
    >>> parse_formula("(nir-red)/(nir+red)").names
    ('nir', 'red')
    >>> parse_formula("__import__('os')")
    Traceback (most recent call last):
    citygrain.errors.InputError: formula "__import__('os')" calls something; wanted: sqrt, log, exp, abs, min, max ...
    """
    shown = f'formula "{text[:60]}{"..." if len(text) > 60 else ""}"'
    if len(text) > _MAX_LENGTH:
        raise InputError(f"{shown} has {len(text)} characters", wanted=f"at most {_MAX_LENGTH}")
    if not text.isascii() or not text.isprintable():
        raise InputError(f"{shown!a} has characters that no formula needs", wanted="letters, digits and + - * / ( )")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise InputError(f"{shown} is no formula ({reason})", wanted="such as (nir-red)/(nir+red)") from error
    _check(tree, shown, depth=0)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    found.sort(key=lambda node: node.col_offset)
    if not found:
        raise InputError(f"{shown} names no band", wanted="such as (nir-red)/(nir+red)")
    return Formula(text.strip(), tuple(dict.fromkeys(node.id for node in found)), tree)


def _check(node: ast.AST, shown: str, *, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InputError(f"{shown} is nested too deep", wanted=f"at most {_MAX_DEPTH} levels")
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            if isinstance(op, ast.Pow):
                _check_exponent(right, shown)
            children: list[ast.expr] = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            children = [operand]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            if len(arguments) != FUNCTIONS[name][1]:
                raise InputError(
                    f"{shown} gives {name} {len(arguments)} arguments", wanted=f"{FUNCTIONS[name][1]} for {name}"
                )
            children = arguments
        case ast.Call():
            raise InputError(f"{shown} calls something", wanted=f"{', '.join(FUNCTIONS)} only")
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) < 1e30:
            children = []
        case ast.Name():
            children = []
        case _:
            raise InputError(
                f"{shown} holds {_spoken(node)}",
                wanted=f"numbers, band names, + - * / **, brackets, {', '.join(FUNCTIONS)}",
            )
    for child in children:
        _check(child, shown, depth=depth + 1)


def _check_exponent(node: ast.expr, shown: str) -> None:
    """Refuse towers of powers and large literal exponents, which only ever give infinity."""
    for inner in ast.walk(node):
        tower = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow)
        value = inner.value if isinstance(inner, ast.Constant) else 0
        if tower or (isinstance(value, (int, float)) and abs(value) > _MAX_EXPONENT):
            raise InputError(f"{shown} has too large an exponent", wanted=f"at most {_MAX_EXPONENT:g}, not a power")


def _spoken(node: ast.AST) -> str:
    spoken = {
        ast.Attribute: "an attribute",
        ast.Subscript: "an index in brackets",
        ast.Lambda: "a lambda",
        ast.JoinedStr: "a string",
        ast.NamedExpr: "an assignment",
        ast.Compare: "a comparison",
        ast.BoolOp: "a logical operator",
        ast.IfExp: "a condition",
    }
    if isinstance(node, ast.Constant):
        return "a number out of range" if isinstance(node.value, (int, float)) else "a constant that is no number"
    return spoken.get(type(node), f"something else ({type(node).__name__})")


def _value(node: ast.AST, values: Mapping[str, npt.NDArray[np.floating] | float]) -> FloatArray:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, values)
            return -value if isinstance(op, ast.USub) else value
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name][0](*(_value(argument, values) for argument in arguments))
        case ast.Constant(value=int() | float() as number):
            return np.asarray(number, np.float32)
        case ast.Name(id=name):
            return np.asarray(values[name], np.float32)
    raise TypeError(f"{type(node).__name__} passed the check of formulas")
