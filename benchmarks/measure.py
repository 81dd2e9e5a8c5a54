"""The measurements. Each runs all clients in turns and takes medians, so that other load affects all equally."""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.clients import CLIENTS, LOADED_CLIENTS, Client, ClientRunner, Failed, TooSlow
from benchmarks.frames import busiest, crossed, load, snapshots
from benchmarks.latency import keeps_up, pace_kept, percentiles
from benchmarks.load_server import LoadServer

RATES = (1_000, 5_000, 20_000)
LOAD = 5_000
PACES = {"bursts": 50, "packets": 1}
MEMORY_FROM = 1_000_000
_SAMPLE_EVERY = 100_000
_SLOW = "the server is the limit"
_CHANNELS = ("level2", "ticker", "matches")


class Settings(NamedTuple):
    """The size of the measurements."""

    messages: int = 200_000
    runs: int = 5
    seconds: int = 5
    memory: int = 2_000_000

    @property
    def prepared(self) -> int:
        return max(self.messages, max(RATES) * self.seconds)


class Bench:
    """Measures *names*, clients of `CLIENTS`, with the messages of *server*; *folder* is for temporary files."""

    def __init__(
        self, runner: ClientRunner, server: LoadServer, payloads: Sequence[bytes], settings: Settings, folder: Path
    ) -> None:
        self.runner = runner
        self.server = server
        self.settings = settings
        self._payloads = payloads
        self._folder = folder

    def drained(self) -> float:
        """Messages a second that the server sends to a client that only reads the bytes."""
        count = self.settings.messages
        drain = Client("drain", "plain", "drain")
        job = {"url": self.server.url(count), "count": count, "bytes": self.server.size(count)}
        runs = [self.runner.run(drain, job, 60)["seconds"] for _ in range(self.settings.runs)]
        return count / statistics.median(runs)

    def speed(self, names: Iterable[str], clients: Mapping[str, Client] = CLIENTS) -> dict[str, Any]:
        """At full speed: messages a second, CPU seconds a million messages, peak bytes; of *names* of *clients*."""
        found: dict[str, list[dict[str, float]]] = {}
        failures: dict[str, str] = {}
        for name, client in self._turns({name: clients[name] for name in names}, failures):
            count = self.settings.messages // 4 if client.slow else self.settings.messages
            job = self._job(count)
            if not client.socket:
                job |= self._files(count)
            answer = self._try(name, client, job, 120, failures)
            if answer:
                rate, cpu = count / answer["seconds"], answer["cpu"] * 1e6 / count
                found.setdefault(name, []).append({"rate": rate, "cpu": cpu, "peak": answer["peak"]})
        rows: dict[str, Any] = {}
        for name in names:
            rows[name] = {"label": self.runner.label(clients[name])}
            if name in found:
                rows[name] |= {
                    key: statistics.median(run[key] for run in found[name]) for key in ("rate", "cpu", "peak")
                }
                rows[name]["rates"] = [run["rate"] for run in found[name]]
            else:
                rows[name]["missing"] = failures[name]
        return rows

    def latency(self, names: Iterable[str]) -> dict[str, Any]:
        """Percentiles in seconds at each of `RATES`, or `{"behind": true}` for a client that cannot keep up."""
        clients = {
            name: CLIENTS[name] for name in names if CLIENTS[name].socket and name not in ("pipeline", "matches")
        }
        rows: dict[str, Any] = {name: {} for name in clients}
        for rate in RATES:
            runs: dict[str, list[dict[str, float] | None]] = {}
            failures: dict[str, str] = {}
            for name, client in self._turns(clients, failures):
                answer = self._paced(name, client, rate, 1, failures, stamped=True)
                if answer is not None:
                    runs.setdefault(name, []).append(answer["latency"])
                if runs.get(name, []).count(None) > 1:
                    failures[name] = "cannot keep up"
            for name in clients:
                kept = [each for each in runs.get(name, []) if each is not None]
                if 2 * len(kept) > len(runs.get(name, [])):
                    rows[name][str(rate)] = {key: statistics.median(run[key] for run in kept) for key in kept[0]}
                else:
                    rows[name][str(rate)] = (
                        {"behind": True} if runs.get(name) else {"failed": failures.get(name, _SLOW)}
                    )
        return rows

    def load(self, names: Iterable[str]) -> dict[str, Any]:
        """Percent of a core at `LOAD` messages a second, with a window and a crossing, by pace."""
        clients = {name: client for name, client in LOADED_CLIENTS.items() if name in names}
        rows: dict[str, Any] = {}
        for pace, burst in PACES.items():
            runs: dict[str, list[float]] = {}
            failures: dict[str, str] = {}
            for name, client in self._turns(clients, failures):
                answer = self._paced(name, client, LOAD, burst, failures, stamped=False)
                if answer is not None:
                    runs.setdefault(name, []).append(100 * answer["cpu"] / answer["seconds"])
            rows[pace] = {}
            for name, client in clients.items():
                rows[pace][name] = {"label": self.runner.label(client)}
                if name in runs:
                    rows[pace][name] |= {"cpu": statistics.median(runs[name]), "runs": runs[name]}
                else:
                    rows[pace][name]["missing"] = failures.get(name, _SLOW)
        return rows

    def pipelines(self) -> dict[str, Any]:
        """CPU seconds a million messages of one pipeline and of ten, each on its own channel and product."""
        products = self._products[:10]
        pairs = [(_CHANNELS[at % len(_CHANNELS)], product) for at, product in enumerate(products)]
        client, count = Client("pipelines", "feed", "pipelines"), self.settings.messages
        costs: dict[str, list[float]] = {"one": [], "ten": []}
        for _ in range(self.settings.runs):
            for name, chosen in (("one", pairs[:1]), ("ten", pairs)):
                job = self._job(count) | {"pairs": chosen, "level": self._crossed[1]}
                costs[name].append(self.runner.run(client, job, 120)["cpu"] * 1e6 / count)
        return {name: statistics.median(runs) for name, runs in costs.items()} | {"pairs": pairs}

    def memory(self) -> dict[str, Any]:
        """Bytes held during many messages, and how many of them were added after the first million."""
        count, client = self.settings.memory, Client("memory", "feed", "memory_held")
        job = self._job(count) | {"every": _SAMPLE_EVERY, **self._watched()}
        answer = self.runner.run(client, job, 60 + count / 10_000)
        outputs = {name: answer[name] for name in ("windows", "crossings")}
        return {"messages": count, "every": _SAMPLE_EVERY, "samples": answer["samples"], **outputs}

    # ---- one run

    def _turns(self, clients: dict[str, Client], failures: dict[str, str]) -> Iterator[tuple[str, Client]]:
        """Each of *clients* in turns; a client that has failed gets no other turn."""
        for _ in range(self.settings.runs):
            for name, client in clients.items():
                if name not in failures:
                    yield name, client

    def _try(
        self, name: str, client: Client, job: dict[str, Any], seconds: float, failures: dict[str, str]
    ) -> dict[str, Any] | None:
        try:
            return self.runner.run(client, job, seconds)
        except Failed as failure:
            failures[name] = str(failure)
            return None

    def _paced(
        self, name: str, client: Client, rate: int, burst: int, failures: dict[str, str], *, stamped: bool
    ) -> dict[str, Any] | None:
        """The answer, with percentiles as `latency` (None for a client that fell behind); None without a result."""
        if (reason := self.runner.missing(client)) is not None:
            failures[name] = reason
            return None
        count, stamps = rate * self.settings.seconds, self._folder / "stamps"
        job = self._job(count, rate, burst) | self._watched()
        if stamped:
            job["stamps"] = str(stamps)
        late: TooSlow | None = None
        answer: dict[str, Any] = {"latency": None}
        try:
            answer |= self.runner.run(client, job, self.settings.seconds + 10)
        except TooSlow as failure:
            late = failure
        except Failed as failure:
            failures[name] = str(failure)
        sent = self.server.sent()
        if name in failures or not pace_kept(sent, rate):
            return None
        if late is not None:
            failures[name] = str(late)
            return answer if stamped else None
        if stamped:
            arrived: array[int] = array("q", stamps.read_bytes())
            latencies = [(after - before) / 1e9 for before, after in zip(sent, arrived, strict=True)]
            answer["latency"] = percentiles(latencies) if keeps_up(latencies) else None
        return answer

    def _job(self, count: int, rate: int = 0, burst: int = 1) -> dict[str, Any]:
        """The common part of the jobs; a feed subscribes to all products that come."""
        return {"url": self.server.url(count, rate, burst), "count": count, "products": self._products}

    @cached_property
    def _products(self) -> list[str]:
        return busiest(self._payloads)

    def _watched(self) -> dict[str, str]:
        product, level = self._crossed
        return {"product": product, "level": level}

    @cached_property
    def _crossed(self) -> tuple[str, str]:
        return crossed(self._payloads)

    def _files(self, count: int) -> dict[str, str]:
        files = {"frames": self._folder / "frames", "snapshots": self._folder / "snapshots"}
        if not files["frames"].exists():
            files["frames"].write_bytes(b"\n".join(load(count)[1]))
            files["snapshots"].write_bytes(b"\n".join(snapshots()))
        return {name: str(file) for name, file in files.items()}
