"""What docs/reference/venues.md shows runs, and its tables are those of the venues."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rxfeed
from rxfeed.sim import Exchange, key_pair
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, Venue

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "venues.md").read_text("utf-8")
FIRST, CANDLES, CREDENTIALS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`rxfeed.Feed` goes to the local exchange, and runs for seconds of a busy market."""
    with Exchange(["BTC-USD", "ETH-USD"], venue="coinbase_advanced", seed=3, rate=500) as exchange:

        class LocalFeed(rxfeed.Feed):
            def __init__(self, *args: Any, **named: Any) -> None:
                super().__init__(*args, **({"url": exchange.url} | named))

            def run(self, scheduler: Any = None, *, seconds: Any = None, flush: Any = None) -> None:
                super().run(scheduler, seconds=2.5, flush=flush)

        monkeypatch.setattr(rxfeed, "Feed", LocalFeed)
        yield


@pytest.mark.usefixtures("local")
def test_venues_examples_run(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    exec(compile(FIRST, "docs/reference/venues.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.count("VolumeWindow ") >= 2
    assert re.search(r"^\(Decimal\('\d", out, re.MULTILINE)
    exec(compile(CANDLES, "docs/reference/venues.md", "exec"), {})
    assert re.search(r"^1\d\d candles$", capsys.readouterr().out, re.MULTILINE)
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == []


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_venues_credentials_example_runs(
    algorithm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = key_pair(algorithm)
    stored = {"name": pair.name, "privateKey": pair.private_key}
    (tmp_path / "cdp_api_key.json").write_text(json.dumps(stored))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COINBASE_API_KEY", pair.name)
    monkeypatch.setenv("COINBASE_API_SECRET", pair.private_key.replace("\n", "\\n"))
    names: dict[str, Any] = {}
    exec(compile(CREDENTIALS, "docs/reference/venues.md", "exec"), names)
    assert capsys.readouterr().out == f"{algorithm}\n"
    assert names["from_variables"].key_name == names["given"].key_name == pair.name


def test_venues_page_maps_the_common_names() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)`.*?\| `(\w+)`", PAGE, re.MULTILINE)
    assert {name: own for name, own, _ in rows} == dict(COINBASE_EXCHANGE.common)
    assert {name: own for name, _, own in rows} == dict(COINBASE_ADVANCED.common)


@pytest.mark.parametrize("venue", [COINBASE_EXCHANGE, COINBASE_ADVANCED])
def test_venues_page_names_each_channel_and_limit(venue: Venue) -> None:
    assert [each.name for each in venue.channels if f"`{each.name}`" not in PAGE] == []
    assert venue.rest is not None
    limits = _limits([COINBASE_EXCHANGE, COINBASE_ADVANCED].index(venue))
    assert int(limits["requests a second, on a connection"]) == venue.limits.messages_per_second
    assert int(limits["REST requests a second"]) == venue.rest.requests_per_second
    assert int(limits["candles of a REST answer"]) == venue.rest.most_candles
    if "level2" in venue.limits.products:
        most = limits["products of `level2` on a connection"]
        assert int(most.partition(";")[0]) == venue.limits.products["level2"]


def _limits(place: int) -> dict[str, str]:
    """The cells of one venue in the table of limits."""
    section = PAGE.partition("## Limits")[2]
    rows = re.findall(r"^\| ([^|]+) \|([^|]*)\|([^|]*)\|$", section, re.MULTILINE)
    return {row[0]: row[1 + place] for row in rows}
