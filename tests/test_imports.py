"""The public names: the same at runtime and for type checkers, and nothing is imported before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import rxfeed
from rxfeed.venues import DEFAULT_VENUE, VENUES, venue_at
from rxfeed.venues.registry import HOSTS

EXTRAS = {"bson", "cryptography", "jwt", "pandas", "polars", "pyarrow", "pymongo", "rich", "websockets", "zstandard"}
# Modules that some programs need, of those that take long.
RARE = {"difflib", "email", "http.client", "rxfeed.venues.coinbase_advanced", "urllib.request"}
# Modules for feeds of several connections, and for those that request missed trades.
SEVERAL = {
    "rxfeed.core.arbitration",
    "rxfeed.core.merge",
    "rxfeed.feed.connection_arbiter",
    "rxfeed.feed.trade_repairs",
}
# Machines and operators that a program asks for, and what a feed without them needs no more than they.
ASKED_FOR = {
    *(f"rxfeed.core.{name}" for name in ("bars", "book", "candles", "imbalance", "level3_book", "rolling", "windows")),
    *(f"rxfeed.operators.{name}" for name in ("async_iter", "book", "bounding", "bounded_queue", "windows")),
    *(f"rxfeed.feed.{name}" for name in ("blocking_writer", "book_rest", "sink")),
}
LATER = {f"rxfeed.{name}" for name in ("backtest", "cli", "compat", "recording", "sim", "sinks")}


def loaded_by(statement: str) -> set[str]:
    """The modules that a new process has imported after *statement*."""
    code = f"{statement}\nimport sys, json\nprint(json.dumps(list(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_import_of_the_package_loads_no_part_of_it() -> None:
    loaded = loaded_by("import rxfeed")
    assert {name for name in loaded if name.startswith("rxfeed")} == {"rxfeed", "rxfeed._version"}
    assert not {"asyncio", "msgspec", "reactivex", "ssl", "websocket"} & loaded


@pytest.mark.parametrize("names", ["Feed", "Feed, full_book, rest_snapshot, window_volume, Credentials"])
def test_import_of_a_feed_loads_no_rare_parts(names: str) -> None:
    assert not (EXTRAS | RARE | SEVERAL | LATER) & loaded_by(f"from rxfeed import {names}")


def test_feed_loads_no_other_venue_and_no_http_client() -> None:
    """Each of them takes more than a megabyte; the requests of REST and proxies load what they need."""
    connected = "feed = Feed('BTC-USD', ['matches'], url='ws://127.0.0.1:9', reconnect=False); feed.subscribe(list)"
    run = "\ntry:\n    feed.run()\nexcept Exception as error:\n    assert type(error).__name__ == 'ConnectFailed'"
    loaded = loaded_by(f"from rxfeed import Feed; Feed('BTC-USD', ['matches']); {connected}{run}")
    assert "rxfeed.transport" in loaded
    assert not (RARE | SEVERAL | ASKED_FOR | {"tempfile", "lzma"}) & loaded


def test_hosts_of_other_venues_are_those_in_the_registry() -> None:
    others = {host: name for name, venue in VENUES.items() if name != DEFAULT_VENUE for host in venue.hosts}
    assert others == HOSTS
    assert [venue_at(f"wss://{host}").name for host in others] == list(others.values())
    assert not set(others) & set(VENUES[DEFAULT_VENUE].hosts)


def test_messages_and_machines_load_no_rx_and_no_sockets() -> None:
    loaded = loaded_by("import rxfeed.market, rxfeed.core, rxfeed.errors\nfrom rxfeed import Trade, fold, ConfigError")
    assert not {"reactivex", "websocket", "rxfeed.venues"} & loaded


def test_help_of_the_command_loads_no_feed() -> None:
    loaded = loaded_by("from rxfeed.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass")
    assert not (EXTRAS | ASKED_FOR | {"reactivex", "rxfeed.feed"}) & loaded


def test_venue_is_imported_by_its_name() -> None:
    needed = "from rxfeed import Feed; Feed('BTC-USD', ['market_trades'], venue='coinbase_advanced')"
    assert "rxfeed.venues.coinbase_advanced" in loaded_by(needed)


def test_type_checkers_see_the_public_names() -> None:
    tree = ast.parse(Path(rxfeed.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen: dict[str, list[str]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert [alias.asname for alias in node.names] == [alias.name for alias in node.names], "an alias exports a name"
        seen.setdefault(node.module or "", []).extend(alias.name for alias in node.names)
    assert seen == {package: list(names) for package, names in rxfeed._NAMES.items()}


@pytest.mark.parametrize("name", ["core", "feed", "operators"])
def test_type_checkers_see_the_later_names_of_a_package(name: str) -> None:
    package = import_module(f"rxfeed.{name}")
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {alias.name: str(node.module).removeprefix(f"{package.__name__}.") for alias in node.names}
    assert seen == package._LATER
    # A module that is imported replaces an attribute of its name.
    assert not {path.stem for path in Path(str(package.__file__)).parent.iterdir()} & seen.keys()
    assert seen.keys() <= set(package.__all__)
    assert all(hasattr(package, each) for each in package.__all__)


def test_packages_are_attributes_of_the_package() -> None:
    code = "import rxfeed\nprint(rxfeed.operators.select.__name__, rxfeed.venues.VENUES.keys() > set())"
    assert subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout == b"select True\n"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rxfeed' has no attribute 'Feeds'"):
        rxfeed.Feeds  # type: ignore  # noqa: B018


def test_dir_shows_the_names_of_first_programs() -> None:
    """The rest can be imported; tab completion lists few names."""
    shown = {name for name in dir(rxfeed) if not name.startswith("_")}
    assert {"Feed", "Replay", "candles", "to_dataframe"} <= shown <= set(rxfeed.__all__)
    assert 35 <= len(shown) <= 45
