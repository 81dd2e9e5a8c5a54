"""The layers: imports go to the left, through a package's `__init__`, and what is a venue's stays with the venue."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rxfeed
from rxfeed.venues import VENUES

ROOT = Path(rxfeed.__file__).parent
# Left to right; packages of one layer do not import one another.
ORDER = [
    {"_version", "_later"},
    {"errors"},
    {"secrets"},
    {"market"},
    {"core"},
    {"venues"},
    {"transport", "dataframes", "testing"},
    {"operators"},
    {"feed"},
    {"sinks", "recording"},
    {"audit", "tape"},
    {"archive"},
    {"metrics", "compat", "sim", "backtest"},
    {"cli"},
]
# Which packages import which library; all may import msgspec and the standard library.
LIBRARIES = {
    "reactivex": {"operators", "feed", "sinks", "recording", "archive", "tape", "metrics", "compat", "cli"},
    "websocket": {"transport"},
    "pymongo": {"sinks", "cli"},
    "bson": {"sinks"},
    "websockets": {"sim"},
    "jwt": {"venues", "sim"},
    "cryptography": {"venues", "sim"},
    "zstandard": {"recording"},
    "pyarrow": {"archive"},
    "nats": {"tape"},
    "rich": {"cli"},
    "prometheus_client": {"metrics"},
    "msgspec": {
        "market",
        "core",
        "secrets",
        "venues",
        "transport",
        "feed",
        "sinks",
        "recording",
        "archive",
        "audit",
        "tape",
        "compat",
        "sim",
        "backtest",
        "cli",
    },
}
PURE = {"threading", "socket", "time", "asyncio", "selectors", "logging", "subprocess", "queue"}
NO_NETWORK = {"urllib", "http", "ssl"}
# Modules that are imported by themselves, since their package would load a server.
BY_THEMSELVES = {"rxfeed.sim.mongod", "rxfeed.sim.nats_server"}
# Where a venue's own package may be imported, and its channels be named.
VENUE_PLACES = ("venues", "testing", "compat", "sim", "cli", "operators/coinbase_exchange.py", "__init__.py")
NAMING_PLACES = (*VENUE_PLACES, "operators/select.py", "operators/__init__.py")
# The types of the matching engine's events, one of which has the name of a channel.
NO_CHANNELS = {("core/matching/events.py", "heartbeat")}
CHANNEL_NAMES = {
    name
    for venue in VENUES.values()
    for each in venue.channels
    for name in (each.name, each.acknowledged)
    if name not in ("", "full", "user", "status", "candles")  # words of other meanings, too
}
STRUCT_NAMES = {kind.__name__ for venue in VENUES.values() for kind in venue.types}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts != ("__init__.py",))


def package(path: Path) -> str:
    if path.name == "__main__.py":  # a command, wherever it is
        return "cli"
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            assert node.module
            if node.module == "rxfeed":
                yield from (f"rxfeed.{alias.name}" for alias in node.names)
            else:
                yield node.module


def module_file(name: str) -> Path | None:
    """The file of a module; `None` for what is not rxfeed's."""
    parts = name.split(".")
    if parts[0] != "rxfeed":
        return None
    folder = ROOT.joinpath(*parts[1:])
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def imported_files(path: Path) -> Iterator[Path]:
    """The files of rxfeed that *path* imports when it is loaded."""
    for node in parsed(path).body:
        if isinstance(node, ast.ImportFrom):
            # A module of a package is imported by `from package import module`, too.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            files = [file if (file := module_file(name)) and file.exists() else None for name in names]
            yield from filter(None, (file or module_file(node.module or "") for file in files))
        elif isinstance(node, ast.Import):
            yield from filter(None, (module_file(alias.name) for alias in node.names))


def within(path: Path, places: tuple[str, ...]) -> bool:
    relative = str(path.relative_to(ROOT))
    return any(relative == place or relative.startswith(f"{place}/") for place in places)


def channel_names(tree: ast.AST) -> set[str]:
    """The channel names among the text constants of *tree*."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return CHANNEL_NAMES.intersection(texts)


def violations(rule: Callable[[Path], Iterable[str]]) -> list[str]:
    """What *rule* finds in the files of the package, with the file."""
    return [f"{path.relative_to(ROOT)}: {found}" for path in FILES for found in rule(path)]


def test_imports_go_to_the_left() -> None:
    def wrong(path: Path) -> Iterator[str]:
        mine = package(path)
        (place,) = [number for number, packages in enumerate(ORDER) if mine in packages]
        allowed = set().union(*ORDER[:place]) | {mine}
        for name in imports(path):
            top, *rest = name.split(".")
            if top == "rxfeed" and rest:
                if not (rest[0] in allowed or mine == "cli"):
                    yield f"{mine} imports {name}, which is to its right"
            elif top in LIBRARIES:
                if mine not in LIBRARIES[top]:
                    yield f"{mine} imports {top}"
            elif top == "rxfeed" and mine != "cli":
                yield f"{mine} imports the whole package"

    assert violations(wrong) == []


def test_other_packages_are_used_through_their_init() -> None:
    def wrong(path: Path) -> Iterator[str]:
        for name in imports(path):
            file = module_file(name)
            if file is None or file.name == "__init__.py" or name in BY_THEMSELVES:
                continue
            if len(name.split(".")) > 2 and name.split(".")[1] != path.relative_to(ROOT).parts[0]:
                yield f"{name}: import it from its package"

    assert violations(wrong) == []


def test_pure_packages_do_no_io() -> None:
    def wrong(path: Path) -> Iterable[str]:
        mine = package(path)
        if mine not in ("errors", "secrets", "market", "core", "venues"):
            return ()
        barred = PURE if mine in ("errors", "secrets") else PURE | NO_NETWORK
        named = {name for name in imports(path) if not name.startswith("urllib.parse")}  # it reads texts only
        return barred & {name.partition(".")[0] for name in named}

    assert violations(wrong) == []


def test_operators_have_no_http_and_no_exit_handlers() -> None:
    def wrong(path: Path) -> Iterable[str]:
        if package(path) not in ("operators", "dataframes"):
            return ()
        named = {name.partition(".")[0] for name in imports(path)} | set(imports(path))
        return (NO_NETWORK | {"atexit", "socket", "rxfeed.transport"}) & named

    assert violations(wrong) == []


def test_venue_is_imported_by_few() -> None:
    """Other packages use the classes of rxfeed.market, or what the venue object offers."""

    def wrong(path: Path) -> Iterable[str]:
        if within(path, VENUE_PLACES):
            return ()
        return [name for name in imports(path) if name.startswith("rxfeed.venues.")]

    assert violations(wrong) == []


def test_channels_are_named_by_few() -> None:
    def wrong(path: Path) -> Iterable[str]:
        if within(path, NAMING_PLACES):
            return ()
        named = channel_names(parsed(path))
        return {name for name in named if (str(path.relative_to(ROOT)), name) not in NO_CHANNELS}

    assert violations(wrong) == []


def test_violation_is_found_with_its_file() -> None:
    assert violations(lambda path: ["x"] if path == ROOT / "errors.py" else []) == ["errors.py: x"]
    assert "core/backoff.py: __future__" in violations(imports)


def test_structs_of_a_venue_are_defined_by_few() -> None:
    """A tag is the name of a message on the wire, and a struct of a venue has one."""

    def wrong(path: Path) -> Iterator[str]:
        if within(path, VENUE_PLACES):
            return
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                if node.name in STRUCT_NAMES:
                    yield f"{node.name} is a venue's struct"
                if any(keyword.arg == "tag" for keyword in node.keywords):
                    yield f"{node.name} has a tag"

    assert violations(wrong) == []


def test_channel_name_in_a_text_constant_is_found() -> None:
    assert channel_names(ast.parse('if channel == "matches": pass')) == {"matches"}


def test_modules_import_in_no_circle() -> None:
    graph = {path: set(imported_files(path)) for path in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(str(path.relative_to(ROOT)) for path in error.args[1]))


def test_order_names_every_package() -> None:
    assert {package(path) for path in FILES} == set().union(*ORDER)


def test_class_names_are_unique() -> None:
    """One name has one meaning; a name with an underscore is one of its file alone."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_public_name_can_be_imported() -> None:
    for name in rxfeed.__all__:
        assert getattr(rxfeed, name) is not None
    assert len(set(rxfeed.__all__)) == len(rxfeed.__all__)


def test_tests_lie_as_the_packages_do() -> None:
    """Those of `rxfeed/feed/` in `tests/feed/`, those of `docs/` in `tests/docs/`; of several packages: few places."""
    tests, others = Path(__file__).parent, {"fixtures", "legacy", "typing", "vectors"}
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    placed = {each for each in folders if (ROOT / each).is_dir() or (ROOT.parent / each).is_dir()}
    assert {str(each) for each in folders - placed if each.parts[0] not in others} == set()
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= {str(each) for each in folders}
