"""Machine instructions a message, counted by valgrind: independent of the load of the machine.

One process is started under valgrind, so that slow imports and preparations are done once. For each task it forks two
children, which process some messages and twice as many: the difference is the cost of the messages without the start.
Counts are valid for one build of CPython and one set of libraries: `build` names them.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

Task = Callable[[int], Callable[[int], None]]
"""Prepares for so many messages in all, and returns what handles the next ones."""

_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")
_LIBRARIES = ("reactivex", "msgspec", "pymongo", "websocket-client")


def available() -> bool:
    return shutil.which("valgrind") is not None and hasattr(os, "fork")


def build() -> dict[str, str]:
    """The build that the counts are valid for."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    python = f"{platform.python_implementation()} {platform.python_version()} {' '.join(platform.python_build())}"
    where = {"python": python, "compiler": platform.python_compiler(), "machine": platform.machine()}
    return where | {"libc": " ".join(platform.libc_ver())} | versions


def count(module: str, names: list[str], messages: int) -> dict[str, int]:
    """Instructions a message of each of the tasks *names* that *module* has in its `TASKS`."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        command = [*valgrind, f"--log-file={folder}/%p", sys.executable, "-m", __name__, folder, module, str(messages)]
        # The addresses of objects determine the collisions in dicts.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}
        subprocess.run([*command, *names], cwd=Path(__file__).parents[1], env=environment, check=True)
        taken = {name: [_read(Path(folder), name, times) for times in (1, 2)] for name in names}
    return {name: round((twice - once) / messages) for name, (once, twice) in taken.items()}


def _read(folder: Path, name: str, times: int) -> int:
    process = (folder / f"{name}.{times}").read_text()
    found = _COUNTED.search((folder / process).read_text())
    assert found, f"valgrind tells nothing of {name}"
    return int(found[1].replace(",", ""))


def _serve(folder: str, module: str, messages: int, names: list[str]) -> None:
    tasks: dict[str, Task] = importlib.import_module(module).TASKS
    for name in names:
        handle = tasks[name](3 * messages)
        handle(messages)  # caches, and specialised byte code
        for times in (1, 2):
            child = os.fork()
            if not child:
                handle(messages * times)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status:
                raise SystemExit(f"{name} failed")
            Path(folder, f"{name}.{times}").write_text(str(child))


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
