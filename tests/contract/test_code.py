"""What product code must not do, whatever a linter is told to overlook."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "crossregion", "producers", "processors", "consumers", "cli", "console")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "yaml", "jsonpickle", "imp", "code"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {("os", "system"), ("os", "popen"), ("os", "execv"), ("subprocess", "getoutput")}
EXECUTES = {"execute", "executemany", "executescript", "copy", "mogrify", "_rows"}
NAMED = {"query", "roles", "schema"}
"""Functions that return the text of a `.sql` file."""


def wrong(source: str) -> Iterator[str]:
    """Each thing in a module that must not be there, with its line."""
    for node in ast.walk(ast.parse(source)):
        for said in _wrong(node):
            yield f"line {getattr(node, 'lineno', 0)}: {said}"


def _wrong(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        if (node.module or "").split(".")[0] in MODULES:
            yield str(node.module)
    elif isinstance(node, ast.keyword):
        if node.arg == "shell" and not (
            isinstance(node.value, ast.Constant) and node.value.value is False
        ):
            yield "shell"
    elif isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name) and called.id in BUILTINS:
            yield called.id
        elif isinstance(called, ast.Attribute):
            if isinstance(called.value, ast.Name) and (called.value.id, called.attr) in METHODS:
                yield called.attr
            if called.attr in EXECUTES and node.args and not _fixed(node.args[0]):
                yield f"{called.attr} of a statement that is put together"


def _fixed(statement: ast.expr) -> bool:
    """Whether a statement is a constant, a named one, or joined by psycopg's own quoting.

    A name `statement` is a part of the spool's schema, or what `_rows` was given by a caller that
    is looked at itself.
    """
    match statement:
        case ast.Constant(value=str()):
            return True
        case ast.Name(id=name):
            return name.isupper() or name == "statement"
        case ast.JoinedStr(values=parts):
            return all(
                isinstance(part, ast.Constant)
                or (
                    isinstance(part, ast.FormattedValue)
                    and isinstance(part.value, ast.Name)
                    and part.value.id.isupper()
                )
                for part in parts
            )
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if (
            name in NAMED
        ):
            return True
        case ast.Call(func=ast.Attribute(value=made, attr="format")):
            return isinstance(made, ast.Call) and (
                ast.unparse(made.func) == "sql.SQL" and _fixed(made.args[0])
            )
        case ast.Subscript(value=ast.Call(func=ast.Name(id="migrations"))):
            return True
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_product_code_runs_no_text_and_puts_no_statement_together(path: Path) -> None:
    assert list(wrong(path.read_text("utf-8"))) == []


def test_every_dependency_is_one_version_with_its_hashes() -> None:
    """And none comes from an address of its own."""
    lock = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in lock.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "import marshal as m",
        "eval(text)",
        "exec(compile(text, 'x', 'exec'))",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=chosen)",
        "os.system(text)",
        "connection.execute(f'SELECT {name}')",
        "connection.execute('SELECT %s' % name)",
        "connection.execute('SELECT ' + name)",
        "connection.execute('SELECT {}'.format(name))",
        "connection.execute(text)",
        "self._rows(f'SELECT {name}')",
        "connection.execute(sql.SQL(f'SELECT {name}').format())",
        "cursor.executemany(made(name), rows)",
        "cursor.copy(f'COPY {name} FROM STDIN')",
    ],
)
def test_each_of_these_is_found(source: str) -> None:
    assert list(wrong(source))
