"""The hash of what results depend on: it changes with what counts, and with nothing else."""

from pathlib import Path

import pytest

from mlteach.data import fingerprint as module
from mlteach.data.fingerprint import code, fingerprint, leaf_files

SOURCE = '''"""A module."""


def f(x: int) -> str:
    """Double it."""
    return f"{x:{x}.2f} {2 * x}"
'''


def hash_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    return code(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module.", "Another text."),
        ('    """Double it."""\n', ""),
        ("    return", "    # why\n    return"),
        ("def f(x: int) -> str:", "def f(\n    x: int,\n) -> str:"),
        ("2 * x", "(2 * x)"),
    ],
)
def test_words_and_layout_do_not_count(tmp_path: Path, old: str, new: str) -> None:
    assert old in SOURCE
    assert hash_of(tmp_path, SOURCE.replace(old, new)) == hash_of(tmp_path, SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * x", "3 * x"), (".2f", ".3f"), ("def f", "async def f"), ("x}.", "y}."), ('f"', 'g"')],
)
def test_everything_else_does(tmp_path: Path, old: str, new: str) -> None:
    assert old in SOURCE
    changed = SOURCE.replace(old, new).replace('g"', '"')
    assert hash_of(tmp_path, changed) != hash_of(tmp_path, SOURCE)


def test_python_does_not_count(tmp_path: Path) -> None:
    """As Python 3.12.1 reads a nested format, and 3.11 and 3.13 do not: with an empty end."""
    import ast

    tree = ast.parse(SOURCE)
    plain = list(module._words(tree))
    (nested,) = [n for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) and len(n.values) == 2]
    nested.values.append(ast.Constant(""))
    assert list(module._words(tree)) == plain


def test_leaves_are_leaves() -> None:
    """Nothing imports a lesson or a chapter's exercises by name, or its change would go unseen."""
    for path in module.PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "from mlteach.widgets.lessons" not in text, path
        assert "from mlteach.exercises.chapter_" not in text, path


def test_leaves_count_where_they_are_named() -> None:
    icc, moulton = (f"mlteach.widgets.lessons.{name}" for name in ("icc", "moulton"))
    hashes = {fingerprint([]), fingerprint([icc]), fingerprint([moulton]), fingerprint([], "x")}
    assert len(hashes) == 4
    assert fingerprint([icc, moulton]) == fingerprint([moulton, icc])
    assert {"icc", "chapter_01"} <= {path.stem for path in leaf_files()}


def test_words_of_exercises_and_lessons_count(tmp_path: Path) -> None:
    for leaf in ("exercises.chapter_03", "widgets.lessons.icc"):
        files = module._files(f"mlteach.{leaf}")
        assert [path.suffix for path in files] == [".py", ".toml"]
    words = tmp_path / "words.toml"
    words.write_text('hint = "one"')
    before = code(words)
    words.write_text('hint = "two"')
    assert code(words) != before


def test_unknown_leaf() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        fingerprint(["no_such_module"])
