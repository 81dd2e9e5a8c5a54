"""Runs of real clients, each in a process; clients that cannot be installed or do not finish are reported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import environments, frames, measure
from benchmarks.__main__ import main
from benchmarks.advanced_trade import advanced_trade
from benchmarks.clients import ADVANCED_CLIENTS, CLIENTS, LOADED_CLIENTS, Client, ClientRunner, Failed, TooSlow
from benchmarks.environments import ENVIRONMENTS, Attempt, Missing, Ready, prepare
from benchmarks.load_server import LoadServer, load_server
from benchmarks.measure import Bench, Settings
from tests.benchmarks.test_frames import trade

PAYLOADS = [trade(number, price=str(number % 7)) for number in range(1, 1001)]
OURS = [name for name, client in CLIENTS.items() if client.environment is None]
SETTINGS = Settings(messages=3000, runs=1, seconds=1, memory=200_000)


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server(PAYLOADS, prepared=3000) as server:
        yield server


def bench(server: LoadServer, folder: Path) -> Bench:
    return Bench(ClientRunner(), server, PAYLOADS, SETTINGS, folder)


def test_speed_of_every_client_without_an_environment(server: LoadServer, tmp_path: Path) -> None:
    rows = bench(server, tmp_path).speed(OURS)
    assert list(rows) == OURS
    for row in rows.values():
        assert row["rate"] > 0
        assert row["cpu"] > 0
        assert 10 << 20 < row["peak"] < 1 << 30
        assert len(row["rates"]) == 1


def test_client_that_did_not_subscribe_to_what_comes_has_no_result(server: LoadServer) -> None:
    job: dict[str, Any] = {"url": server.url(1000), "count": 1000, "products": ["C-D"]}
    with pytest.raises(Failed, match="1,000 messages are outside the subscription"):
        ClientRunner().run(CLIENTS["pipeline"], job, 60)


def test_rows_of_the_second_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "ADVANCED_RECORDING", tmp_path / "none")
    monkeypatch.setattr("benchmarks.clients.prepare", lambda name: Missing(f"no {name} for this machine"))
    part = advanced_trade(ClientRunner(), SETTINGS, tmp_path)
    assert part["source"] == "sim.Exchange"
    assert part["rows"]["advanced"]["missing"] == "no advanced for this machine"
    for name in ("pipeline", "filter"):
        assert part["rows"][name]["rate"] > part["rows"][name]["trades"] > 0
    assert part["snapshot"]["levels"] > 0


def test_latency_of_a_client(server: LoadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RATES", (1000,))
    found = bench(server, tmp_path).latency(["pipeline", "feed"])
    assert list(found) == ["feed"]
    assert found["feed"].keys() == {"1000"}
    assert 0 < found["feed"]["1000"]["p50"] <= found["feed"]["1000"]["p99"] <= found["feed"]["1000"]["p99.9"]


def test_load_of_a_client_at_both_paces(server: LoadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LOAD", 1000)
    found = bench(server, tmp_path).load(["feed"])
    assert found.keys() == {"bursts", "packets"}
    assert found["bursts"].keys() == {"feed"}
    assert found["bursts"]["feed"]["cpu"] > 0


def test_pipelines_and_memory(server: LoadServer, tmp_path: Path) -> None:
    costs = bench(server, tmp_path).pipelines()
    assert costs["one"] > 0
    assert costs["ten"] > 0
    assert costs["pairs"] == [("level2", "A-B")]
    held = bench(server, tmp_path).memory()
    assert len(held["samples"]) == 2
    assert min(held["samples"]) > 10 << 20
    # In a round of nine seconds the price crosses the level many times, and minutes of event time pass.
    assert held["crossings"] > 1000
    assert held["windows"] > 10


def test_server_rate_is_measured_by_draining(server: LoadServer, tmp_path: Path) -> None:
    assert bench(server, tmp_path).drained() > 0


def test_run_over_its_time_limit_is_reported_as_too_slow(server: LoadServer) -> None:
    job: dict[str, Any] = {"url": server.url(3000, 10), "count": 3000}
    with pytest.raises(TooSlow, match="not done after 2 s"):
        ClientRunner().run(CLIENTS["bare"], job, 2)
    assert 0 < len(server.sent()) < 3000


def test_failed_run_is_reported_with_its_error() -> None:
    with pytest.raises(Failed, match="refused"):
        ClientRunner().run(CLIENTS["websocket"], {"url": "ws://127.0.0.1:9", "count": 1}, 60)


def test_client_that_cannot_be_installed_is_reported_as_missing(
    server: LoadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.clients.prepare", lambda name: Missing(f"no {name} for this machine"))
    found = bench(server, tmp_path)
    rows = found.speed(["bare", "cbpro"])
    assert rows["cbpro"] == {"label": "cbpro: `on_message(dict)`", "missing": "no cbpro for this machine"}
    assert rows["bare"]["rate"] > 0
    monkeypatch.setattr(measure, "RATES", (1000,))
    assert found.latency(["cbpro"]) == {"cbpro": {"1000": {"failed": "no cbpro for this machine"}}}
    assert found.load(["cbpro"])["packets"]["cbpro"]["missing"] == "no cbpro for this machine"


@pytest.mark.timeout(240)  # it creates environments
def test_environments_fall_back_with_a_report_and_are_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [Attempt("pip from nowhere", [[str(tmp_path / "nowhere")]]), Attempt("pip as it came", [])]
    monkeypatch.setitem(environments.ENVIRONMENTS, "tool", ("pip", "pip", ways))
    said: list[str] = []
    found = prepare("tool", tmp_path, said.append)
    assert isinstance(found, Ready)
    assert found.what.startswith("pip as it came 2")
    assert found.python.exists()
    assert any(line.startswith("cannot have pip from nowhere: ERROR") for line in said)
    del said[:]
    assert prepare("tool", tmp_path, said.append) == found
    assert said == []


def test_installation_over_its_time_limit_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [Attempt("slow", [["slow"]], seconds=60), Attempt("slower", [["slower"]], seconds=90)]
    monkeypatch.setitem(environments.ENVIRONMENTS, "tool", ("tool", "tool", ways))
    monkeypatch.setattr(environments.venv, "create", lambda home, **how: None)

    def endless(command: list[str], **how: Any) -> None:
        raise subprocess.TimeoutExpired(command, how["timeout"])

    monkeypatch.setattr(environments.subprocess, "run", endless)
    assert prepare("tool", tmp_path, lambda line: None) == Missing(
        "slow: not done after 60 s; slower: not done after 90 s"
    )


def test_every_measured_client_has_an_environment() -> None:
    for client in (*CLIENTS.values(), *LOADED_CLIENTS.values(), *ADVANCED_CLIENTS.values()):
        assert client.environment is None or client.environment in ENVIRONMENTS
        assert Path(measure.__file__).with_name("peers").joinpath(f"{client.module}.py").exists()
        assert isinstance(client, Client)


def test_command_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK", SETTINGS)
    saved, picture = tmp_path / "results.json", tmp_path / "picture.png"
    main(["--quick", "--only", "bare", "--only", "speed", "--json", str(saved), "--plot", str(picture)])
    found = json.loads(saved.read_text())
    assert found["speed"].keys() == {"bare"}
    assert found["settings"]["messages"] == 3000
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "| bare loop: large reads, cut, typed decode |" in capsys.readouterr().out
