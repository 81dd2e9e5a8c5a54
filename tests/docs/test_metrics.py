"""What docs/how_to/metrics.md shows works, and its table has all metrics."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import rxfeed.metrics
from rxfeed import Feed
from rxfeed.cli.arguments import parser
from rxfeed.metrics import METRICS
from rxfeed.sim import Exchange

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how_to" / "metrics.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text()


def test_docs_have_all_metrics() -> None:
    rows = re.findall(r"^\| `(rxfeed_\w+)` \| (\w+) \| ([\w, -]+) \| (.*) \|$", REFERENCE, re.MULTILINE)
    assert rows == [(m.name, m.kind, ", ".join(m.labels) or "-", m.text) for m in METRICS.values()]


def test_docs_files_exist() -> None:
    paths = re.findall(r"`((?:deploy|docs)/[\w./-]+)`", PAGE)
    assert len(paths) > 1
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_docs_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    serving, describing = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    feeds: list[Feed] = []
    with Exchange(["BTC-USD"], rate=300) as exchange:
        serve = rxfeed.metrics.serve

        def serve_and_end(feed: Feed, *parts: object, port: int) -> Any:
            feeds.append(feed)
            threading.Thread(target=end, args=(feed,), daemon=True).start()
            return serve(feed, *parts, port=0)

        def end(feed: Feed) -> None:
            while feed.stats.messages < 30:
                time.sleep(0.02)
            feed.close()

        monkeypatch.setattr(rxfeed.metrics, "serve", serve_and_end)
        exec(compile(serving, "docs/how_to/metrics.md", "exec"), {"url": exchange.url})
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics\n", capsys.readouterr().out)
    exec(compile(describing, "docs/how_to/metrics.md", "exec"), {})
    out = capsys.readouterr().out
    shown = re.search(r"\n((?:    .*\n){5,})", PAGE.partition("## What runs on a feed")[2])
    assert shown is not None

    def form(text: str) -> list[str]:
        """The lines, without numbers and places."""
        lines = [re.sub(r"[\d,]+", "N", line.strip()) for line in text.splitlines()]
        return ["=>" if line.startswith("=>") else line for line in lines if line and not line.startswith("<")]

    assert form(out) == form(shown[1])


def test_docs_commands_are_accepted() -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        assert parser().parse_args(line.split()[1:]).command == "top"
    for command in re.findall(r"`rxfeed (record [^`]*)`", PAGE):
        assert parser().parse_args(command.split()).metrics == ("127.0.0.1", 9109)
