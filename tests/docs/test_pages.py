"""The blocks of the documentation's pages run in their order, and print what the pages show."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path

import pytest

from tests.support.doc_pages import DOCS, Block, blocks, local_market, missing, run_page

# Pages with tests of their own, in this folder or beside the package that they are about.
OWN = {
    "how_to/metrics.md": "docs/test_metrics.py",
    "how_to/old_bot.md": "compat/test_migrating.py",
    "how_to/mongodb.md": "docs/test_mongodb.py",
    "how_to/own_windows.md": "docs/test_own_windows.py",
    "how_to/parquet.md": "docs/test_archive.py",
    "how_to/repair.md": "docs/test_repair.py",
    "how_to/replay.md": "docs/test_replay.py",
    "how_to/run_for_months.md": "docs/test_running_for_months.py",
    "how_to/tape.md": "docs/test_tape.py",
    "how_to/test_your_bot.md": "sim/test_pytest_plugin.py",
    "reference/recording.md": "docs/test_recording.py",
    "reference/venues.md": "docs/test_venues.py",
    "troubleshooting.md": "docs/test_troubleshooting.py",
}
# In the order of the navigation: the last page uses the recording of the one before it.
TUTORIAL = ("tutorial/alert.md", "tutorial/volume.md", "tutorial/recorder.md", "tutorial/back_test.md")
CODE = {
    str(page.relative_to(DOCS)): page
    for page in sorted(DOCS.rglob("*.md"))
    if any(block.language in ("python", "sh") for block in blocks(page))
}


@pytest.mark.parametrize("name", [name for name in CODE if name not in OWN and name not in TUTORIAL])
def test_blocks_of_page_run_and_print_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with local_market(monkeypatch, faster=8):
        run_page(CODE[name], {"__name__": "__main__"}, capsys)


@pytest.mark.skipif("RXFEED_SITE" not in os.environ, reason="an hour of a market; scripts/docs runs it")
@pytest.mark.timeout(300)
def test_tutorial_runs_in_order_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with local_market(monkeypatch, faster=2, longest=60):
        for name in TUTORIAL:
            run_page(CODE[name], {"__name__": "__main__"}, capsys)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {"alert.png", "volume.png", "candles.png", "maker.png"}


@pytest.mark.parametrize("name", TUTORIAL)
def test_tutorial_programs_import_names_that_exist(name: str) -> None:
    found = [node for block in blocks(CODE[name]) if block.language == "python" for node in ast.parse(block.text).body]
    imported = [node for node in found if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rxfeed")]
    assert imported
    for node in imported:
        module = importlib.import_module(str(node.module))
        assert [each.name for each in node.names if not hasattr(module, each.name)] == []


def test_pages_with_own_tests_exist() -> None:
    tests = Path(__file__).parents[1]
    assert [name for name in OWN if name not in CODE] == []
    assert [test for test in OWN.values() if not (tests / test).is_file()] == []


def test_blocks_are_found_with_their_titles(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('a\n\n```python title="x.py"\nprint(1)\n```\n\n    ```sh\n    ls\n    ```\n')
    assert blocks(page) == [Block("python", "x.py", "print(1)\n", 3), Block("sh", "", "ls\n", 7)]


def test_output_differs_only_in_digits() -> None:
    assert missing("12:00 volume 1.5\n...\n12:01 volume 2", "07:00  volume 13.25\nx\n07:01 volume 9") == []
    assert missing("12:00 volume 1.5", "12:00 size 1.5") == ["0 volume 0"]
    assert missing("a\nb", "b\na") == ["b"]
