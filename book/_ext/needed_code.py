"""Which cells that a reader does not see must run all the same, because a later cell needs them.

Walks the statements of a notebook from the last to the first and keeps the set of names that are
still to be given a value. What a statement changes in place counts as given anew and needed before;
a generator of random numbers is changed by whoever uses it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence


def parsed(source: str) -> list[ast.stmt]:
    """Read the statements of a cell; the commands of IPython do not count."""
    lines = ("pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n"))
    return ast.parse("\n".join(lines)).body


def base(node: ast.expr) -> str | None:
    """The name at the root of x.y[0].z()."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def effects(statement: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """Return the names that a statement binds, those that it changes, and those that it reads."""
    binds, changes, reads = set(), set(), set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else binds).add(node.id)
            changes |= {node.id} if "rng" in node.id and isinstance(node.ctx, ast.Load) else set()
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changes.add(base(node) or "")
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            binds.add(node.name)
        elif isinstance(node, ast.alias):
            binds.add((node.asname or node.name).partition(".")[0])
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        changes.add(base(statement.value) or "")
    return binds, changes - {""}, reads


def needed(cells: Sequence[tuple[str, bool]]) -> list[bool]:
    """Tell which cells of a notebook must run; the flag of a cell says that it may be left out."""
    wanted: set[str] = set()
    kept = []
    for source, optional in reversed(cells):
        found = [effects(statement) for statement in parsed(source)]
        keep = not optional or any((binds | changes) & wanted for binds, changes, _ in found)
        for statement, (binds, _, reads) in zip(
            reversed(parsed(source)), reversed(found), strict=True
        ):
            if keep:
                # Only a plain assignment is sure to give a name its value.
                sure = binds if isinstance(statement, ast.Assign | ast.FunctionDef) else set()
                wanted = (wanted - sure) | reads
        kept.append(keep)
    return kept[::-1]


def without_last_expression(source: str) -> str:
    """Return a cell without the expression whose value it shows."""
    last = parsed(source)[-1]
    if not isinstance(last, ast.Expr):
        return source
    return "\n".join(source.split("\n")[: last.lineno - 1]).rstrip()
