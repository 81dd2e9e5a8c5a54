"""A rehearsal of an old script: it runs unchanged in this process, and ends with a report.

Rules:
- The script runs in this process, as `python SCRIPT.py` would run it, with `cbpro` and `gdax` replaced, and with the
  same in the processes that its `multiprocessing` spawns. The report has no entries of these.
- As with Python itself, the end of the main thread is not the end: threads of clients go on. Ctrl-C, or the end of
  `--seconds`, interrupts the script; what it leaves open is closed.
- The report is printed in any case, after the script's own output.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import os
import queue
import re
import runpy
import signal
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import rxfeed.compat
from rxfeed.compat.clients import clients
from rxfeed.compat.hosts import LOCAL_KEYS, Servers, redirect, redirections, websocket_server
from rxfeed.compat.notices import Kind, listen, note
from rxfeed.transport import redirect_sockets

_CLASSICS = ("cbpro", "gdax")
_MODULES = ("websocket_client", "order_book", "public_client", "authenticated_client", "cbpro_auth", "FixClient")
_INTERRUPTS = 5  # of a script that does not end
_OLDEST = (
    "the library GDAX of 2017: its names were others (onMessage, getProductTicker): import cbpro in its place, and "
    "name them as in cbpro (on_message, get_product_ticker)"
)
_OLD_QUEUE = re.compile(r"^\s*(?:from\s+|import\s+(?:[\w. ]+,\s*)*)Queue\b", re.MULTILINE)


def rehearse(script: Path, arguments: Sequence[str], where: str, seconds: float | None) -> int:
    """Run *script*; its exit status. *where* describes its servers; it is interrupted after *seconds*."""
    entries: Counter[tuple[Kind, str]] = Counter()
    unlisten = listen(lambda kind, text: entries.update([(kind, text)]))
    try:
        status, end = _ran(script, arguments, seconds)
    finally:
        unlisten()
    _report(script, where, end, entries)
    return status


def _ran(script: Path, arguments: Sequence[str], seconds: float | None) -> tuple[int, str]:
    """The status of *script*, and how it ended."""
    _replace_modules()
    _replace_queue(script)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    done = threading.Event()
    if seconds is not None:
        threading.Thread(target=_interrupt_after, args=(seconds, done), daemon=True).start()
    try:
        with _stand_ins():
            return _until_ended(script)
    finally:
        done.set()
        for client in clients():
            with contextlib.suppress(Exception):
                client.close()


def _until_ended(script: Path) -> tuple[int, str]:
    status, end = 0, "by itself"
    try:
        runpy.run_path(str(script), run_name="__main__")
        _wait_for_threads()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
        end = f"with sys.exit({'' if left.code is None else repr(left.code)})"
        with contextlib.suppress(KeyboardInterrupt):
            _wait_for_threads()
    except KeyboardInterrupt:
        end = "interrupted"
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "GDAX":
            note(Kind.UNAVAILABLE, _OLDEST)
        status, end = 1, f"with {type(error).__name__}: {error}"
        traceback.print_exception(type(error), error, _of_script(error, script))
    return status, end


def _wait_for_threads() -> None:
    """Return when the threads have ended that keep a process alive."""
    while True:
        running = [
            each
            for each in threading.enumerate()
            if not each.daemon and each is not threading.main_thread() and not each.name.startswith("rxfeed-exchange")
        ]
        if not running:
            return
        running[0].join(0.2)


def _interrupt_after(seconds: float, done: threading.Event) -> None:
    for _ in range(_INTERRUPTS):
        if done.wait(seconds):
            return
        _interrupt()
        seconds = 5.0
    if not done.wait(seconds):
        sys.stderr.write("python -m rxfeed.compat: the script does not react to Ctrl-C: ended without a report\n")
        os._exit(1)


def _interrupt() -> None:
    """Raise `KeyboardInterrupt` in the main thread, also while it sleeps, as far as the system can do that."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """A folder on the path, which spawned processes get too, with modules that replace those of the classics."""
    with tempfile.TemporaryDirectory(prefix="rxfeed-compat-") as folder:
        text = f"from rxfeed.compat.rehearsal import begin_spawned\n\nbegin_spawned({redirections()!r})\n"
        for name in _CLASSICS:
            Path(folder, f"{name}.py").write_text(text)
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def begin_spawned(servers: Mapping[str, tuple[str, str]]) -> None:
    """Replace the classics in a process that the script has spawned; *servers*: as `redirections` of its parent."""
    for venue, (feed, rest) in servers.items():
        redirect(Servers(feed, rest, LOCAL_KEYS), venue)
    if servers:
        redirect_sockets(websocket_server)
    _replace_modules()


def _replace_modules() -> None:
    for name in _CLASSICS:
        sys.modules[name] = rxfeed.compat
        for module in _MODULES:
            sys.modules[f"{name}.{module}"] = importlib.import_module(f"rxfeed.compat.{module}")
    sys.modules["gdax.gdax_auth"] = sys.modules["gdax.cbpro_auth"]


def _replace_queue(script: Path) -> None:
    if _OLD_QUEUE.search(script.read_text(errors="replace")):
        sys.modules.setdefault("Queue", queue)
        note(Kind.SUBSTITUTED, "the module Queue of Python 2 is the module queue of Python 3")


def _of_script(error: BaseException, script: Path) -> TracebackType | None:
    """The part of the traceback of *error* that begins in *script*."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(script):
        trace = trace.tb_next
    return trace if trace is not None else error.__traceback__


def _report(script: Path, where: str, end: str, entries: Counter[tuple[Kind, str]]) -> None:
    lines = ["", f"---- {script.name} on rxfeed.compat ----", f"ended: {end}", f"servers: {where}"]
    for kind in Kind:
        found = [(text, count) for (of, text), count in entries.items() if of is kind]
        lines.append(f"{kind.value}:{'' if found else ' nothing'}")
        lines += [f"  - {text}{f' ({count} times)' if count > 1 else ''}" for text, count in found]
    with contextlib.suppress(OSError):  # the reader has closed the pipe
        print("\n".join(lines), flush=True)  # noqa: T201  # a command's output
