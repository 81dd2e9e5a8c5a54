"""The suite itself: it depends on nothing of the caller's environment, and its workers take turns."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tests.support.environment import keep_bytecode, make_neutral
from tests.support.stopwatch import Stopwatch, at_most
from tests.support.turns import turn

HOSTILE = {
    "TERM": "dumb",
    "COLUMNS": "20",
    "LINES": "3",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "LC_ALL": "C",
    "TZ": "Asia/Tokyo",
    "HOME": "",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUNBUFFERED": "1",
    "https_proxy": "http://user:word@127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "no_proxy": "example.com",
    "COINBASE_API_KEY": "key",
    "COINBASE_API_SECRET": "c2VjcmV0",
    "COINBASE_API_PASSPHRASE": "phrase",
    "RXFEED_MONGO_URL": "mongodb://127.0.0.1:1",
    "MPLBACKEND": "none of them",
}


def test_environment_of_tests_is_independent_of_the_caller() -> None:
    environment = HOSTILE | {"PATH": "/bin", "PYTHONPATH": "here", "RXFEED_SOAK": "1", "RXFEED_SITE": "site"}
    make_neutral(environment)
    assert environment.pop("HOME")
    assert environment == {
        "PATH": "/bin",
        "RXFEED_SOAK": "1",
        "RXFEED_SITE": "site",
        "PYTHONPATH": "here",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "TERM": "xterm-256color",
        "MPLBACKEND": "agg",
    }


def test_ignored_signals_end_processes_of_the_suite() -> None:
    """Started with `&` by a script, or under `nohup`, the suite inherits signals that are ignored."""
    child = "import signal; print(*(signal.getsignal(s) is signal.SIG_IGN for s in (signal.SIGINT, signal.SIGHUP)))"
    suite = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from tests.support.environment import restore_ignored_signals
restore_ignored_signals()
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", suite], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_forbidden_bytecode_is_kept_outside_of_the_sources(tmp_path: Path) -> None:
    forbidding = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": "/bin"}
    keep_bytecode(forbidding, tmp_path)
    make_neutral(forbidding)  # as a run of tests within a test does
    assert (forbidding["PATH"], forbidding["PYTHONPYCACHEPREFIX"]) == ("/bin", str(tmp_path))
    assert "PYTHONDONTWRITEBYTECODE" not in forbidding
    allowing = {"PATH": "/bin"}
    keep_bytecode(allowing, tmp_path)
    assert allowing == {"PATH": "/bin"}


@pytest.mark.timeout(180)  # a run of tests, which takes five seconds of a processor
@pytest.mark.parametrize("missing", [(), ("TERM", "HOME")], ids=["hostile", "without TERM and HOME"])
def test_displays_and_texts_pass_in_a_hostile_environment(missing: tuple[str, ...], tmp_path: Path) -> None:
    environment = {name: value for name, value in (os.environ | HOSTILE).items() if name not in missing}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--basetemp", str(tmp_path / "pytest")]
    command += ["tests/cli/test_main.py", "tests/cli/test_parts.py", "tests/cli/test_record.py"]
    command += ["-k", "help or missing or usage or picture or display or plain or refuses or summary"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


def in_turn(alone: bool, gate: Path, room: Path, inside: Event, leave: Event) -> None:
    with turn(alone=alone, gate=gate, room=room):
        inside.set()
        leave.wait(120)


def waits(gate: Path) -> None:
    """Return as soon as another process holds *gate*, and so waits for the room."""
    until = time.monotonic() + 30
    with gate.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(file, fcntl.LOCK_UN)
            assert time.monotonic() < until
            time.sleep(0.01)


def test_exclusive_turn_waits_for_others_and_is_next(tmp_path: Path) -> None:
    gate, room = tmp_path / "gate", tmp_path / "room"
    gate.touch()
    room.touch()
    spawn = multiprocessing.get_context("spawn")  # this process has threads

    def started(alone: bool) -> tuple[BaseProcess, Event, Event]:
        inside, leave = spawn.Event(), spawn.Event()
        process = spawn.Process(target=in_turn, args=(alone, gate, room, inside, leave), daemon=True)
        process.start()
        return process, inside, leave

    first, first_inside, first_leaves = started(alone=False)
    second, second_inside, second_leaves = started(alone=False)
    assert first_inside.wait(30)
    assert second_inside.wait(30)  # side by side
    alone, alone_inside, alone_leaves = started(alone=True)
    waits(gate)
    assert not alone_inside.is_set()
    first_leaves.set()
    late, late_inside, late_leaves = started(alone=False)
    assert not late_inside.wait(0.5)
    assert not alone_inside.is_set()
    second_leaves.set()
    assert alone_inside.wait(30)
    assert not late_inside.wait(0.2)
    alone_leaves.set()
    assert late_inside.wait(30)
    late_leaves.set()
    for process in (first, second, alone, late):
        process.join(30)
        assert process.exitcode == 0


def test_time_limit_counts_the_time_of_this_process() -> None:
    def wait(seconds: float) -> None:
        with Stopwatch() as stopwatch:
            while stopwatch.seconds < seconds:
                time.sleep(0.01)

    with pytest.raises(AssertionError, match=r"and not less than 0\.1 s"), at_most(0.1):
        wait(1)
    with at_most(10):
        wait(0.1)


def test_silenced_rules_of_types_have_a_reason_beside_them() -> None:
    root = Path(__file__).parents[1] / "rxfeed"
    bare = [
        f"{path.relative_to(root)}:{number}"
        for path in root.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# pyright: ignore(\[[\w, ]*\])?\s*$", line)
    ]
    assert bare == []


def test_linter_of_commits_is_the_one_of_the_checks() -> None:
    """`pre-commit` installs a ruff of its own: its version is the lowest one that the checks accept."""
    root = Path(__file__).parents[1]
    pinned = re.search(r"ruff-pre-commit\s+rev: v([\d.]+)", (root / ".pre-commit-config.yaml").read_text())
    lowest = re.search(r"^    ruff>=([\d.]+)$", (root / "setup.cfg").read_text(), re.MULTILINE)
    assert pinned
    assert lowest
    assert pinned[1] == lowest[1]
