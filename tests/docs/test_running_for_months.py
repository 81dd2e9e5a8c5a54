"""What docs/how_to/run_for_months.md shows works, and the options that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rxfeed.cli.arguments import parser
from rxfeed.cli.record_options import EPILOG
from rxfeed.recording import marked_segments

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how_to" / "run_for_months.md").read_text()


def test_docs_configuration_is_accepted(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "record.toml").write_text(text)
    options = parser().parse_args(["record", "--config", str(tmp_path / "record.toml")])
    assert (options.keep_days, options.keep_bytes, options.min_free.percent) == (400.0, 500 * 10**9, 5.0)


def test_docs_marks_are_those_of_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (name,) = re.findall(r'\["(.*)"\]', code)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / name).write_bytes(b"123")
    exec(compile(code, "docs/how_to/run_for_months.md", "exec"), {})
    assert marked_segments("recordings", "exported") == {name: 3}
    assert (tmp_path / "recordings" / ".exported").read_text() == f"{name}\t3\n"


def test_docs_options_and_statuses_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["record", "--help-all"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert named - known == set()
    assert {"--keep-days", "--keep-bytes", "--after", "--min-free", "--sync", "--mongo"} <= named
    assert re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE) == re.findall(r"^  (\d)  ", EPILOG, re.MULTILINE)


def test_docs_files_exist() -> None:
    for path in re.findall(r"deploy/[\w.-]+", PAGE):
        assert (ROOT / path).is_file(), path
