"""What docs/reference/recording.md shows works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rxfeed.sim import Exchange
from tests.support.recordings import frames_in, segments

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "recording.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line for line in SHELL if not line.startswith("#")]


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's first block records, and the folder that the others expect it in."""
    monkeypatch.chdir(tmp_path)
    with Exchange(["BTC-USD"], seed=2, rate=500) as exchange:
        local = PYTHON[0].replace('"heartbeat"])', '"heartbeat"], url=URL)').replace("seconds=60", "seconds=1")
        exec(compile(local, "docs/reference/recording.md", "exec"), {"URL": exchange.url})
    return tmp_path / "recordings"


def test_docs_record_example_records(capsys: pytest.CaptureFixture[str], recordings: Path) -> None:
    out = capsys.readouterr().out
    assert "RecordedSegment(path=PosixPath('recordings/" in out
    assert f"RecordStats(frames={len(frames_in(recordings))}, " in out


def test_docs_catalogue_audit_and_merge_examples_run(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    shutil.copytree(recordings, "recordings-of-the-other")
    _, catalogue, audited, merged, _ = PYTHON
    exec(compile(catalogue, "docs/reference/recording.md", "exec"), {})
    total, session = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\{'match': \d+, .*\} 0 0", total)
    assert "Span(first=" in session
    exec(compile(audited, "docs/reference/recording.md", "exec"), {})
    assert capsys.readouterr().out == "0 0\n"
    exec(compile(merged, "docs/reference/recording.md", "exec"), {})
    assert "VolumeWindow " in capsys.readouterr().out


def test_docs_example_reads_without_rxfeed(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    path = segments(recordings)[0]
    (recordings / f"{path.name.replace('-00001', '-00002')}").write_bytes(path.read_bytes()[:-20])  # as one torn
    assert "rxfeed" not in re.sub(r"#.*", "", PYTHON[-1])
    exec(compile(PYTHON[-1], "docs/reference/recording.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(frames_in(recordings)) > 0
    assert {line.split()[1] for line in lines} <= {"match", "last_match", "heartbeat", "subscriptions"}


@pytest.mark.skipif(not (shutil.which("zstd") and shutil.which("jq")), reason="zstd and jq are not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_docs_commands_print_output(command: str, recordings: Path) -> None:
    ran = subprocess.run(["bash", "-c", command], cwd=recordings.parent, capture_output=True, text=True, timeout=50)
    assert (ran.returncode, "error" in ran.stderr) == (0, False), ran.stderr
    assert ran.stdout or ran.stderr or "Gap" in command
