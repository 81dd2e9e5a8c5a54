"""The environment of the tests, independent of the caller's."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import MutableMapping
from pathlib import Path

# What changes the behaviour of the package, of Python, of the terminal's library or of the plots.
_REMOVED = re.compile(
    r"COLUMNS|LINES|NO_COLOR|FORCE_COLOR|TTY_\w+|CLICOLOR\w*|COLORTERM"
    r"|COINBASE_\w+|RXFEED_(?!SOAK|SITE)\w+|MPL\w+|WEBSOCKET_CLIENT_\w+"
    r"|\w+_proxy|\w+_PROXY"
    r"|PYTHON(?!PATH|HOME|HASHSEED|DONTWRITEBYTECODE|PYCACHEPREFIX)\w*"
)
_SET = {"TERM": "xterm-256color", "MPLBACKEND": "agg"}


def make_neutral(environment: MutableMapping[str, str]) -> None:
    """Remove from *environment* what would change the result of a test, and set what every test needs.

    Time zone and locale stay as they are: results must not depend on them.
    """
    for name in [name for name in environment if _REMOVED.fullmatch(name)]:
        del environment[name]
    environment.update(_SET)
    if not environment.get("HOME"):
        environment["HOME"] = _home_of_user()


def restore_ignored_signals() -> None:
    """Let signals end this process and those that it starts, as in a terminal.

    A process that was started in the background, or under `nohup`, ignores SIGINT or SIGHUP, and its children do too.
    """
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def keep_bytecode(environment: MutableMapping[str, str], folder: Path) -> None:
    """If *environment* forbids bytecode, let the processes that inherit it share one *folder* of bytecode.

    Otherwise each one compiles the whole package again. Nothing is written beside the sources.
    """
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment["PYTHONPYCACHEPREFIX"] = str(folder)


def _home_of_user() -> str:
    import pwd

    home = pwd.getpwuid(os.getuid()).pw_dir
    return home if Path(home).is_dir() else os.devnull
