"""The layers: an import goes only to the left, and each library is imported in its packages alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxfeed

ROOT = Path(rxfeed.__file__).parent
# Left to right; packages of one layer do not import one another.
ORDER = [
    {"_version"},
    {"errors"},
    {"secrets"},
    {"market"},
    {"core"},
    {"venues"},
    {"transport"},
    {"operators"},
    {"feed"},
    {"sinks", "recording"},
    {"compat", "sim", "backtest"},
    {"cli"},
]
# Which packages import which library; all may import msgspec and the standard library.
LIBRARIES = {
    "reactivex": {"operators", "feed", "sinks", "recording", "compat", "cli"},
    "websocket": {"transport"},
    "pymongo": {"sinks", "cli"},
    "bson": {"sinks"},
    "websockets": {"sim"},
    "zstandard": {"recording"},
    "rich": {"cli"},
    "msgspec": {
        "market",
        "core",
        "secrets",
        "venues",
        "transport",
        "feed",
        "sinks",
        "recording",
        "compat",
        "sim",
        "backtest",
        "cli",
    },
}
PURE = {"threading", "socket", "time", "asyncio", "selectors", "logging", "subprocess", "queue"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            assert node.module
            if node.module == "rxfeed":
                yield from (f"rxfeed.{alias.name}" for alias in node.names)
            else:
                yield node.module


FILES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts != ("__init__.py",))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_every_file_keeps_to_the_layers(path: Path) -> None:
    mine = room(path)
    (place,) = [number for number, rooms in enumerate(ORDER) if mine in rooms]
    allowed = set().union(*ORDER[:place]) | {mine}
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "rxfeed" and rest:
            assert rest[0] in allowed or mine == "cli", f"{mine} imports {name}, which stands to its right"
        elif top in LIBRARIES:
            assert mine in LIBRARIES[top], f"{mine} does not know {top}"
        elif top == "rxfeed":
            assert mine == "cli", f"{mine} imports the whole package"
        if mine in ("errors", "secrets", "market", "core", "venues"):
            assert top not in PURE, f"{mine} is pure and imports {top}"


def test_layers_name_every_package() -> None:
    assert {room(path) for path in FILES} == set().union(*ORDER)


def test_readme_draws_the_same_layers() -> None:
    """The order of the README's line of packages is the order tested here."""
    readme = (ROOT.parent / "README.md").read_text()
    line = next(line for line in readme.splitlines() if line.startswith("    errors ->"))
    drawn = [{each.strip() for each in place.split(",")} for place in line.split("->")]
    assert drawn == ORDER[1:]


def test_every_public_name_can_be_imported() -> None:
    for name in rxfeed.__all__:
        assert getattr(rxfeed, name) is not None
    assert len(set(rxfeed.__all__)) == len(rxfeed.__all__)
