"""The code blocks of the documentation's pages, and how a test runs them as a reader would, one after the other.

Rules:
- The blocks of a page share their names and their folder. A block with a title is written to that file.
- A feed without a URL connects to a local exchange of its venue, and so do commands. Nothing else is replaced.
- Seconds of a run are fewer, and the local market is faster by the same factor, so that the results are the same.
- A block of text after a block of code is its output: its lines have the same form, apart from digits.
- A line of shell that installs or configures something is not run, and neither is the demo, which `.ci/run` runs.
"""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rxfeed import Feed
from rxfeed.cli import main
from rxfeed.sim import Exchange
from rxfeed.venues import VENUES

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?(?: [^\n]*)?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INSTALLS = ("python3 -m venv", ".venv/bin/pip", "pip install", "git clone", "cd ", ". .venv", "sudo ", "docker ")
_INSTALLS += (
    "systemctl ",
    "journalctl ",
    "export ",
    "kill ",
    "curl ",
    "jupyter ",
    "bash .ci",
    "scripts/",
    "#",
    "rxfeed demo",
)
_SHORT = {"watch": "2", "record": "1", "top": "1", "doctor": "5"}


class Block(NamedTuple):
    """One fenced block: its language, the file that it is to be saved as, its text, and its line."""

    language: str
    title: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All blocks of *page*, in order."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        indent, language, title, body = fence.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines(keepends=True)]
        found.append(Block(language, title or "", "".join(lines), text.count("\n", 0, fence.start()) + 1))
    return found


def forms(text: str) -> list[str]:
    """The lines of *text* without what differs from run to run: numbers, signs, times, and runs of spaces."""
    lines = (re.sub(r"\b(buy|sell|bought|sold|up|down|above|below)\b", "SIDE", line) for line in text.splitlines())
    lines = (re.sub(r"\b[0-9a-f]{8}\b", "0", line) for line in lines)
    lines = (re.sub(r"[-+]?\d[\d,]*(\.\d+)?", "0", line) for line in lines)
    lines = (re.sub(r"[.:-]*0([.:-]0)+", "0", line) for line in lines)
    return [re.sub(r"[\s─-]+", " ", line).strip() for line in lines if line.strip() and line.strip() != "..."]


def missing(shown: str, printed: str) -> list[str]:
    """The lines of *shown* whose forms are not in *printed*, in this order."""
    rest = iter(forms(printed))
    return [form for form in forms(shown) if not any(form == each for each in rest)]


@contextmanager
def local_market(monkeypatch: pytest.MonkeyPatch, faster: float, longest: float = 3.0) -> Iterator[None]:
    """Feeds and commands without a URL use a local exchange of their venue; a run takes a part of its seconds."""
    with ExitStack() as stack:
        for name, venue in VENUES.items():
            exchange = stack.enter_context(Exchange(["BTC-USD", "ETH-USD"], venue=name, seed=3, rate=300))
            monkeypatch.setattr(venue, "default_url", exchange.url)
            monkeypatch.setattr(venue, "url_for", lambda channels, url=exchange.url: url)
            if venue.rest is not None:
                monkeypatch.setattr(venue, "rest_url", exchange.rest_url)
        run, collect, begin = Feed.run, Feed.collect, Exchange.__init__

        def fewer(seconds: Any) -> float:
            return 1.0 if seconds is None else max(0.6, min(float(seconds) / faster, longest))

        def short_run(feed: Any, scheduler: Any = None, *, seconds: Any = None, flush: Any = None) -> None:
            run(feed, scheduler, seconds=fewer(seconds), flush=flush)

        def short_collect(feed: Any, *operators: Any, seconds: Any = None) -> list[Any]:
            return collect(feed, *operators, seconds=fewer(seconds))

        def begin_faster(exchange: Any, *arguments: Any, **named: Any) -> None:
            if named.get("auto", True) and (speed := named.get("speed", 1.0)) is not None:
                named["speed"] = speed * faster
            begin(exchange, *arguments, **named)

        monkeypatch.setattr(Feed, "run", short_run)
        monkeypatch.setattr(Feed, "collect", short_collect)
        monkeypatch.setattr(Exchange, "__init__", begin_faster)
        yield


def run_page(page: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the blocks of *page* in the present folder; returns all that they printed."""
    printed, everything = "", ""
    for block in blocks(page):
        place = f"{page.relative_to(DOCS)}, line {block.line}"
        if block.language == "text":
            lost = missing(block.text, printed)
            assert lost == [], f"{place}: not printed: {lost}\n{printed}"
            continue
        if block.language == "python":
            if block.title:
                Path(block.title).write_text(block.text, "utf-8")
                compile(block.text, place, "exec")
            else:
                exec(compile("\n" * block.line + block.text, place, "exec"), names)
        elif block.language == "sh":
            for command in block.text.replace("\\\n", " ").splitlines():
                _run_command(command.strip(), place)
        elif block.title:
            Path(block.title).write_text(block.text, "utf-8")
        out, err = capsys.readouterr()
        printed = f"{out}{err}"
        everything += printed
    return everything


def _run_command(command: str, place: str) -> None:
    if not command or command.startswith(_INSTALLS):
        return
    words = shlex.split(command, comments=True)
    if any(each in words for each in ("|", ">", "&", "<", "&&")):
        ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=50, check=False)
        sys.stdout.write(ran.stdout)
        assert ran.returncode == 0, f"{place}: {command}: {ran.stderr}"
    elif words[0] == "rxfeed":
        status = _called(lambda: main(_shortened(words[1:])))
        assert status in (0, 3), f"{place}: {command}: exit status {status}"
    elif words[0] == "python" and words[1].endswith(".py"):
        status = _called(lambda: _run_script(words[1:]))
        assert status in (0, None), f"{place}: {command}: exit status {status}"
    else:
        raise AssertionError(f"{place}: {command}: neither run nor known as one that installs something")


def _shortened(words: list[str]) -> list[str]:
    if "--seconds" in words:
        words[words.index("--seconds") + 1] = _SHORT.get(words[0], "1")
    elif words[0] in ("watch", "record") and "--count" not in words:
        words += ["--seconds", _SHORT[words[0]]]
    elif words[0] == "top" and "--once" not in words:
        words += ["--once"]
    return words


def _called(call: Any) -> Any:
    try:
        return call()
    except SystemExit as end:
        return end.code


def _run_script(words: list[str]) -> None:
    path = Path(words[0])
    script = path if path.is_file() else DOCS.parent / path
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *words[1:]])
        patch.syspath_prepend(str(script.parent.absolute()))
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:  # the next page may have a file of the same name
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).is_relative_to(script.parent.absolute()):
                    del sys.modules[name]
