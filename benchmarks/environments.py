"""The other clients' virtual environments: made once, in `.bench/`, one a client, since what they pin conflicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / ".bench"


class Attempt(NamedTuple):
    """One way to install a client: its name, pip's arguments for each call, and the seconds for each."""

    what: str
    installs: Sequence[Sequence[str]]
    seconds: float = 300.0


class Ready(NamedTuple):
    """*python* has the client; *what* is its name."""

    python: Path
    what: str


class Missing(NamedTuple):
    """The client cannot be installed here; *reason* is the cause."""

    reason: str


# The versions of requests and pymongo that the wheel pins cannot be imported by Python 3.10 and later. websocket-client
# and six, which handle each message, are as pinned; these are source distributions older than build isolation.
_CBPRO_PINS = ("websocket-client==0.40.0", "six==1.10.0", "sortedcontainers", "requests>=2.32", "pymongo>=3.13")
ENVIRONMENTS: dict[str, tuple[str, str, Sequence[Attempt]]] = {
    # its distribution, the module that must be importable, and the ways to install it
    "cbpro": (
        "cbpro",
        "cbpro",
        [
            Attempt(
                "cbpro (GitHub master)",
                [["cbpro @ git+https://github.com/danpaquin/coinbasepro-python.git"]],
                seconds=60,
            ),
            Attempt(
                "cbpro (the wheel)",
                [
                    ["setuptools<70", "wheel"],
                    ["--no-build-isolation", *_CBPRO_PINS],
                    ["--no-deps", "cbpro==1.1.4"],
                ],
            ),
        ],
    ),
    "advanced": (
        "coinbase-advanced-py",
        "coinbase.websocket",
        [Attempt("coinbase-advanced-py", [["coinbase-advanced-py>=1.8"]])],
    ),
    "picows": ("picows", "picows, msgspec", [Attempt("picows", [["picows>=2", "msgspec>=0.19"]])]),
    "ccxt": ("ccxt", "ccxt.pro, orjson", [Attempt("ccxt.pro", [["ccxt>=4.5", "orjson"]])]),
}


def prepare(name: str, folder: Path = FOLDER, say: Callable[[str], None] = print) -> Ready | Missing:
    """The environment of *name*, made if it does not exist; failed attempts are reported."""
    distribution, imports, attempts = ENVIRONMENTS[name]
    check = f"import {imports}, importlib.metadata as m; print(m.version({distribution!r}))"
    home = folder / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = json.dumps([sys.version, check, attempts])
    ready = home / "ready.json"
    if ready.exists():
        noted = json.loads(ready.read_text())
        if noted["wanted"] == wanted:
            return Ready(python, noted["what"])
    reasons: list[str] = []
    for attempt in attempts:
        say(f"installing {attempt.what} into {home} ...")
        try:
            what = f"{attempt.what} {_make(home, python, attempt, check)}"
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{attempt.what}: {_told(error)}")
            say(f"cannot have {reasons[-1]}")
            continue
        ready.write_text(json.dumps({"wanted": wanted, "what": what}))
        return Ready(python, what)
    return Missing("; ".join(reasons))


def _make(home: Path, python: Path, attempt: Attempt, check: str) -> str:
    """The installed version; raises the error of the installation."""
    venv.create(home, clear=True, with_pip=True)
    for arguments in attempt.installs:
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments], attempt.seconds)
    return _run([python, "-W", "ignore", "-c", check], 60).strip()


def _run(command: Sequence[str | Path], seconds: float) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, env=environment).stdout


def _told(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:g} s"
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal", "ERROR")) or "Error:" in line]
        return (telling or lines or [str(error)])[0][:200]
    return str(error)
