"""The command in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `rxfeed` with arguments, in a new process group; a process that is left at the end is killed.

    *path*: a folder of modules that hide installed ones; *env*: more of the environment; the rest as `Popen`'s.
    """
    processes: list[subprocess.Popen[str]] = []

    def begin(
        *args: str, path: Path | None = None, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        hidden = {} if path is None else {"PYTHONPATH": str(path)}
        defaults: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "encoding": "utf-8",
            "start_new_session": True,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "rxfeed.cli", *args],
            env=os.environ | {"PYTHONIOENCODING": "utf-8"} | hidden | dict(env or {}),
            **(defaults | options),
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        with process:
            if process.poll() is None:
                process.kill()
