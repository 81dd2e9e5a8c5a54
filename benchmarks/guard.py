"""`python -m benchmarks.guard`: fails if a message costs more than `guard.json` allows; in CI, in a minute.

Two measures are compared with figures of the same build of Python, libc and libraries:

- Machine instructions, counted by valgrind. Other processes do not change them, and a tenth more is a regression.
- CPU time relative to a yardstick of plain Python (figures of another build of the same Python are accepted). Of many
  short alternating turns the shortest counts, since noise only adds. A ratio more than half above its figure is
  measured again, and is a regression if it stays there.

`--update` writes the figures of this machine into `guard.json`.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import instructions
from benchmarks.guarded import Handle, Task, yardstick
from benchmarks.report import Report, with_json

COMMITTED = Path(__file__).with_name("guard.json")
MESSAGES = 2000
"""Of each task, for the instructions; twice and three times as many are handled too."""
TURN, TURNS = 250, 30
"""Messages that a turn of the CPU time takes, and how many turns."""
ATTEMPTS = 5
MORE_INSTRUCTIONS, MORE_TIME = 1.1, 1.5


class Guarded(msgspec.Struct, frozen=True):
    """The figures of one build of Python and libraries: *instructions* a message, and *ratios* to the yardstick."""

    build: dict[str, str]
    instructions: dict[str, int] = {}
    ratios: dict[str, float] = {}


def ratio(task: Task) -> float:
    """The cost of a message for the task, relative to that for the yardstick."""
    handles = [make(TURN * (TURNS + 1)) for make in (yardstick, task)]
    for handle in handles:
        handle(TURN)
    best = [min(times) for times in zip(*([_seconds(handle) for handle in handles] for _ in range(TURNS)), strict=True)]
    return best[1] / best[0]


def _seconds(handle: Handle) -> float:
    started = time.process_time()
    handle(TURN)
    return time.process_time() - started


def dearer(task: Task, committed: float) -> tuple[float, bool]:
    """The lowest ratio of all attempts up to the first that passes, and whether none passed."""
    lowest = ratio(task)
    for _ in range(ATTEMPTS - 1):
        if lowest <= committed * MORE_TIME:
            break
        lowest = min(lowest, ratio(task))
    return lowest, lowest > committed * MORE_TIME


def check(module: str, committed: list[Guarded], *, valgrind: bool) -> Report:
    """Measure the tasks of *module*, and compare them with the *committed* figures of this build."""
    report = Report("guard")
    tasks: dict[str, Task] = importlib.import_module(module).TASKS
    build = instructions.build()
    same = next((each for each in committed if each.build == build), None)
    like = same or next((each for each in committed if _language(each.build) == _language(build)), Guarded(build))
    if not like.ratios:
        print(f"skipped: no CPU time is committed for {build['python']}; --update writes it")
    gc.collect()
    for name in (name for name in tasks if name in like.ratios):
        found, worse = dearer(tasks[name], like.ratios[name])
        _judge(report, name, "CPU time by the yardstick's", found, like.ratios[name], MORE_TIME, worse)
    held = {} if same is None else same.instructions
    if not valgrind or not held:
        why = "nothing is committed for this build of Python, libc and libraries" if valgrind else "no valgrind"
        print(f"skipped: no instructions were counted: {why}")
        return report
    names = [name for name in tasks if name in held]
    for name, count in instructions.count(module, names, MESSAGES).items():
        _judge(
            report, name, "instructions", count, held[name], MORE_INSTRUCTIONS, count > held[name] * MORE_INSTRUCTIONS
        )
    return report


def _language(build: dict[str, str]) -> tuple[str, ...]:
    """Implementation, major and minor version, and the kind of machine."""
    implementation, version, *_ = build["python"].split()
    return implementation, *version.split(".")[:2], build["machine"]


def _judge(report: Report, name: str, what: str, found: float, before: float, most: float, worse: bool) -> None:
    report.rows.append({"task": name, "measure": what, "found": found, "committed": before})
    report.judge(f"{name}: {what}, by the committed: at most {most:g}", found / before, not worse)


def measure(module: str, *, valgrind: bool) -> Guarded:
    """The current cost of the tasks of *module*; the ratios are medians of three attempts."""
    tasks: dict[str, Task] = importlib.import_module(module).TASKS
    ratios = {name: round(sorted(ratio(task) for _ in range(3))[1], 2) for name, task in tasks.items()}
    counts = instructions.count(module, list(tasks), MESSAGES) if valgrind else {}
    return Guarded(instructions.build(), counts, ratios)


def load(path: Path) -> list[Guarded]:
    return msgspec.json.decode(path.read_bytes(), type=list[Guarded]) if path.exists() else []


def save(path: Path, committed: list[Guarded]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(committed), indent=2) + b"\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--update", action="store_true", help="commit what is measured")
    parser.add_argument("--tasks", default="benchmarks.guarded", help="a module with TASKS (default %(default)s)")
    parser.add_argument("--committed", type=Path, default=COMMITTED, help="the file (default: guard.json)")
    parser.add_argument("--no-valgrind", action="store_true", help="count no instructions")
    with_json(parser)
    given: Any = parser.parse_args(arguments)
    valgrind = instructions.available() and not given.no_valgrind
    committed = load(given.committed)
    if given.update:
        measured = measure(given.tasks, valgrind=valgrind)
        save(given.committed, [each for each in committed if each.build != measured.build] + [measured])
        return 0
    report = check(given.tasks, committed, valgrind=valgrind)
    report.show()
    report.save(given.json)
    return 0 if all(verdict["met"] for verdict in report.verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
