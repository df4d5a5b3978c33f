"""Expressions over fields: `(B8 - B4) / (B8 + B4)`.

The text is parsed once by Python's own parser and checked against the short list of nodes below; evaluation walks the
checked tree with numpy. No name but a field's or a function's can be reached, so an expression from a stranger can
compute and nothing else. (numexpr, the usual library, evaluates text with `eval` behind a pattern filter.)
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput

Array = npt.NDArray[Any]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1),
    "sqrt": (np.sqrt, 1),
    "exp": (np.exp, 1),
    "log": (np.log, 1),
    "log10": (np.log10, 1),
    "minimum": (np.minimum, 2),
    "maximum": (np.maximum, 2),
    "where": (lambda condition, then, otherwise: np.where(condition != 0, then, otherwise), 3),
}
"""Functions an expression may call, and how many arguments each takes."""

MAX_LENGTH = 2000
"""Characters an expression may have."""


MAX_DEPTH = 150
"""Levels an expression may nest; a sum of n terms has n."""


@dataclass(frozen=True)
class Expression:
    """A checked expression. Raises InvalidInput("expression", ...) when the text is not one."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > MAX_LENGTH:
            raise InvalidInput("expression", f"longer than {MAX_LENGTH} characters")
        if _depth(self._tree) > MAX_DEPTH:
            raise InvalidInput("expression", f"nested deeper than {MAX_DEPTH} levels")
        _check(self._tree)

    @cached_property
    def _tree(self) -> ast.expr:
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InvalidInput("expression", f"{self.text[:80]!r} can't be read: {error}") from error

    @cached_property
    def names(self) -> frozenset[str]:
        """The fields it uses."""
        called = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        return frozenset(n.id for n in ast.walk(self._tree) if isinstance(n, ast.Name) and id(n) not in called)

    def evaluate(self, fields: Mapping[str, Array], *, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Values in float64, of `shape`, as is every field; not finite where there is no answer (0/0, log of -1)."""
        as_float = {name: fields[name].astype(np.float64) for name in self.names}
        with np.errstate(all="ignore"):
            value = _evaluate(self._tree, as_float)
        return np.broadcast_to(np.asarray(value, dtype=np.float64), shape)


def _depth(tree: ast.expr) -> int:
    """Levels of a tree, found without recursion."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _check(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            try:
                float(number)
            except OverflowError as error:
                raise InvalidInput("expression", "a number is too large") from error
        case ast.Name():
            if node.id in FUNCTIONS:
                raise InvalidInput("expression", f"{node.id} is a function, not a field")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left)
            _check(right)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _check(operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            _check(left)
            _check(right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            if len(args) != FUNCTIONS[name][1]:
                raise InvalidInput("expression", f"{name} takes {FUNCTIONS[name][1]} argument(s), got {len(args)}")
            for argument in args:
                _check(argument)
        case _:
            raise InvalidInput("expression", f"{ast.unparse(node)[:80]!r} is not allowed here")


def _evaluate(node: ast.expr, fields: Mapping[str, Array]) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]  # _check admits int and float alone
        case ast.Name(id=name):
            return fields[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, fields), _evaluate(right, fields))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_evaluate(operand, fields))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            # 1 or 0, as a number: numpy's own truth values add up to True and have roots in float16.
            return np.asarray(_COMPARE[type(op)](_evaluate(left, fields), _evaluate(right, fields)), dtype=np.float64)
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name][0](*(_evaluate(argument, fields) for argument in args))
        case _:  # pragma: no cover
            raise AssertionError(f"unchecked node {node!r}")
