"""Every small mistake that could be made in a source: one changed place each.

    arithmetic   a + b -> a - b, a * b -> a / b, x += y -> x -= y, -x -> x
    comparison   a < b -> a <= b, a == b -> a != b, a is b -> a is not b
    logic        a and b -> a or b, not a -> a, if a -> if not a
    constant     3 -> 4 and 2, 0.5 -> 1.5 and -0.5, True -> False
    argument     f(a, b) -> f(b, a)
    statement    a call, an assignment to a part, a raise is left out; return x -> return None

Left alone: texts, what a raise or a warning says, types, docstrings, imports, and assignments to
a plain name, for to leave those out is a NameError that any test sees.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import NamedTuple

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}  # fmt: skip
# Swapped arguments of these are an error at once, or make no difference.
NOT_SWAPPED = {"isinstance", "issubclass", "getattr", "setattr", "hasattr", "cast"}
NOT_SWAPPED |= {"max", "min", "fmax", "fmin", "maximum", "minimum"}


class Mutant(NamedTuple):
    """One change: the bytes from `start` to `end` become `after`."""

    operator: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """The source with this change."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()

    def __str__(self) -> str:
        return f"{self.line}: {self.operator}: {brief(self.before)} -> {brief(self.after)}"


def brief(code: str) -> str:
    """On one line, shortened."""
    line = " ".join(code.split())
    return line if len(line) < 80 else f"{line[:76]} ..."


def mutants(source: str) -> list[Mutant]:
    """All mutants of a source, in the order of their places; see also `changes`."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(set(finder.found), key=lambda each: (each.start, each.operator, each.after))


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Mutant] = []
        self._data = source.encode()
        lines = self._data.splitlines(keepends=True)
        self._offsets = [0]
        for line in lines:
            self._offsets.append(self._offsets[-1] + len(line))
        self._inside = False  # of a function

    # ---- making one -------------------------------------------------------------

    def _add(self, operator: str, node: ast.expr | ast.stmt, after: str) -> None:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._offsets[node.lineno - 1] + node.col_offset
        end = self._offsets[node.end_lineno - 1] + node.end_col_offset
        before = self._data[start:end].decode()
        if before != after:
            self.found.append(Mutant(operator, node.lineno, start, end, before, after))

    def _changed(
        self, operator: str, node: ast.expr | ast.stmt, change: Callable[..., object]
    ) -> None:
        other = copy.deepcopy(node)
        change(other)
        text = ast.unparse(other)
        self._add(operator, node, f"({text})" if isinstance(node, ast.expr) else text)

    # ---- expressions ------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if (other := ARITHMETIC.get(type(node.op))) and not _is_text(node.left):
            self._changed("arithmetic", node, lambda new: setattr(new, "op", other()))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.USub, ast.Not)):
            operator = "logic" if isinstance(node.op, ast.Not) else "arithmetic"
            self._add(operator, node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, op in enumerate(node.ops):
            other = COMPARISON[type(op)]()
            self._changed(
                "comparison", node, lambda new, p=place, o=other: new.ops.__setitem__(p, o)
            )
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._changed("logic", node, lambda new: setattr(new, "op", other))
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negated(node.test)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add("constant", node, repr(not value))
        elif isinstance(value, (int, float)):
            for step in (1, -1):
                self._add("constant", node, f"({value + step!r})")

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name == "warn":
            return
        for place in range(len(node.args) - 1):
            first, second = node.args[place : place + 2]
            if name in NOT_SWAPPED or any(isinstance(a, ast.Starred) for a in (first, second)):
                continue
            self._changed("argument", node, lambda new, p=place: _swap(new.args, p))
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts; and their parts have no places of their own before Python 3.12."""

    # ---- statements -------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self._negated(node.test)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negated(node.test)
        self.generic_visit(node)

    def _negated(self, test: ast.expr) -> None:
        """Where there is one comparison, `comparison` has changed it already, in part."""
        self._add("logic", test, f"(not ({ast.unparse(test)}))")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        self._left_out(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return
        if all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self._left_out(node)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if other := ARITHMETIC.get(type(node.op)):
            self._changed("arithmetic", node, lambda new: setattr(new, "op", other()))
        self._left_out(node)
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._left_out(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and ast.unparse(node.value) != "None":
            self._add("statement", node, "return None")
            self.visit(node.value)

    def _left_out(self, node: ast.stmt) -> None:
        if self._inside:
            self._add("statement", node, "pass")

    # ---- what has parts to be left alone ----------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(default)
        inside, self._inside = self._inside, True
        for statement in node.body:
            self.visit(statement)
        self._inside = inside

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        inside, self._inside = self._inside, False
        for statement in node.body:
            self.visit(statement)
        self._inside = inside


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _swap(arguments: list[ast.expr], place: int) -> None:
    arguments[place : place + 2] = reversed(arguments[place : place + 2])


def changes(mutant: Mutant, source: str) -> bool:
    """Whether the mutant is another program than the source, and one that Python can read."""
    return ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))
