"""Standard output and error of every command: in any encoding, on a full disk, closed, or on a terminal that closes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rxfeed.cli import main
from rxfeed.cli.logs import logs_on_stderr
from rxfeed.recording.format import frame_line
from rxfeed.sim import Exchange
from rxfeed.sim.mongod import find_mongod
from tests.support.recordings import lines_of, segments
from tests.support.scenes import wait_until
from tests.support.segments import NS, write

Start = Callable[..., "subprocess.Popen[str]"]
ENCODINGS = ["ascii", "cp1252", "utf-16", "utf-8"]
FULL = Path("/dev/full")
NAME = "märkte-行情-\U0001f4c8"

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
needs_mongod = pytest.mark.skipif(find_mongod() is None, reason="no mongod")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=3, rate=500) as exchange:
        yield exchange


def output_of(process: subprocess.Popen[Any], encoding: str, status: int = 0) -> str:
    """The text of standard output, once the process has ended with *status* and no traceback."""
    out, err = process.communicate(timeout=50)
    assert process.returncode == status, err
    assert b"Traceback" not in err
    return out.decode(encoding)


def in_encoding(encoding: str) -> dict[str, Any]:
    return {"env": {"PYTHONIOENCODING": encoding}, "encoding": None}


def shown(text: str, encoding: str) -> str:
    return text.encode(encoding, "backslashreplace").decode(encoding).removeprefix("\ufeff")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder of a name, and a product, that are not ASCII."""
    folder = tmp_path / NAME
    folder.mkdir()
    raw = f'{{"type":"ticker","sequence":1,"product_id":"{NAME}","price":"1"}}'
    write(folder, [frame_line(raw.encode(), NS, 0)])
    (folder / "damaged.jsonl").write_text("no recording")
    return folder


# ---- encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ls_in_any_encoding(encoding: str, recording: Path, start: Start) -> None:
    out = output_of(start("ls", str(recording), **in_encoding(encoding)), encoding, status=1)
    assert f"  {shown(NAME, encoding)} " in out
    assert shown(str(recording), encoding) in out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ls_json_in_any_encoding_is_json(encoding: str, recording: Path, start: Start) -> None:
    found = json.loads(output_of(start("ls", str(recording), "--json", **in_encoding(encoding)), encoding, status=1))
    assert list(found["total"]["products"]) == [NAME]


def test_ls_shows_a_file_whose_name_is_no_text(tmp_path: Path, start: Start) -> None:
    line = b'{"type":"ticker","sequence":1,"product_id":"A-B","price":"1","time":"2026-01-02T12:00:00Z"}\n'
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    Path(os.fsdecode(path)).write_bytes(line)
    name = os.fsdecode(path)
    found = json.loads(output_of(start("ls", name, "--json", **in_encoding("utf-8")), "utf-8"))
    assert os.fsencode(found["sessions"][0]["session"]) == path
    assert f"{tmp_path}/caf?.jsonl" in output_of(start("ls", name, **in_encoding("utf-8")), "utf-8")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_record_sums_up_in_any_encoding(encoding: str, exchange: Exchange, tmp_path: Path, start: Start) -> None:
    folder = tmp_path / NAME
    args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(folder), "--seconds", "2")
    out = output_of(start(*args, **in_encoding(encoding)), encoding)
    assert f"in 1 file of {str(tmp_path)[:5]}" in out
    assert f"{shown(NAME, encoding)[-5:]}\n" in out  # the middle of the path is left out
    assert "All received frames are recorded." in out


FRAMES = [
    f'{{"type":"news","text":"{NAME} \u20ac"}}',
    '{"type":"news","text":"\x9b2J \x85 \x7f \u202e \u2066 \u2028"}',
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_watch_in_any_encoding(encoding: str, start: Start) -> None:
    with Exchange.serving(FRAMES) as exchange:
        process = start("watch", "A-B", "--count", "2", "--url", exchange.url, **in_encoding(encoding))
        out = output_of(process, encoding)
    assert shown(f"{NAME} \u20ac", encoding) in out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_watch_json_in_any_encoding_is_json(encoding: str, start: Start) -> None:
    with Exchange.serving(FRAMES) as exchange:
        process = start("watch", "A-B", "--json", "--count", "2", "--url", exchange.url, **in_encoding(encoding))
        out = output_of(process, encoding)
    assert [json.loads(line) for line in out.strip("\n").split("\n")] == [json.loads(frame) for frame in FRAMES]


@needs_mongod
@pytest.mark.parametrize("encoding", ["ascii", "utf-16"])
def test_demo_in_any_encoding(encoding: str, start: Start) -> None:
    assert "The counts agree" in output_of(start("demo", "--seconds", "0.5", **in_encoding(encoding)), encoding)


# ---- control characters


def test_watch_json_shows_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange.serving(FRAMES) as exchange:
        assert main(["watch", "A-B", "--json", "--count", "2", "--url", exchange.url]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert all(line.isprintable() for line in lines)
    assert lines[0] == FRAMES[0]
    assert r'"text":"\u009b2J \u0085 \u007f \u202e \u2066 \u2028"' in lines[1]


def test_watch_shows_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = '{"type":"error","message":"\u202e\\u001b[2J","reason":"\x9b2J\\nforged line"}'
    with Exchange.serving([*FRAMES, refusal], then="hold") as exchange:
        assert main(["watch", "A-B", "--seconds", "0.5", "--url", exchange.url]) == 0
    out, err = capsys.readouterr()
    assert "?2J ? ? ? ? ?" in out
    assert "\nrejected by the exchange: ??[2J: ?2J?forged line\n" in err
    assert all(line.isprintable() for line in (out + err).split("\n"))


# ---- a full disk


@needs_full
@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")], ids="+".join)
def test_record_continues_with_stdout_on_a_full_disk(
    streams: tuple[str, ...], exchange: Exchange, tmp_path: Path, start: Start
) -> None:
    args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path), "--seconds", "2")
    with FULL.open("w") as full:
        process = start(*args, **dict.fromkeys(streams, full))
        out, err = process.communicate(timeout=50)
    assert process.returncode == 0
    (path,) = segments(tmp_path)
    assert lines_of(path)[-1]["end"]["frames"] > 0
    if "stdout" not in streams:
        assert "All received frames are recorded." in out
    if "stderr" not in streams:
        warning = "warning: standard output cannot be written: No space left on device; nothing more is shown"
        assert err.splitlines()[-1] == f"{warning}, and recording continues"


@needs_full
def test_watch_on_a_full_disk_exits_with_1_and_the_reason(exchange: Exchange, start: Start) -> None:
    with FULL.open("w") as full:
        process = start("watch", "BTC-USD", "--url", exchange.url, stdout=full)
        _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    assert err.splitlines()[-1] == "rxfeed watch: standard output cannot be written: No space left on device"


@needs_full
def test_watch_continues_with_stderr_on_a_full_disk(exchange: Exchange, start: Start) -> None:
    with FULL.open("w") as full:
        process = start("watch", "BTC-USD", "--count", "3", "--url", exchange.url, stderr=full)
        out, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    assert len(out.splitlines()) == 3


@needs_full
@pytest.mark.parametrize("args", [("ls", "{folder}"), ("ls", "{folder}", "--json"), ("--help",), ("--version",)])
def test_stdout_on_a_full_disk_exits_with_1(args: tuple[str, ...], recording: Path, start: Start) -> None:
    with FULL.open("w") as full:
        process = start(*(each.format(folder=recording) for each in args), stdout=full)
        _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    command = "rxfeed ls" if args[0] == "ls" else "rxfeed"
    assert err == f"{command}: standard output cannot be written: No space left on device\n"


@needs_full
@needs_mongod
def test_demo_on_a_full_disk_exits_with_1_and_ends_its_parts(start: Start) -> None:
    with FULL.open("w") as full:
        process = start("demo", "--seconds", "1", stdout=full)
        _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    assert err == "rxfeed demo: standard output cannot be written: No space left on device\n"


# ---- closed


@pytest.mark.parametrize(("damaged", "status"), [(False, 0), (True, 1)])
def test_ls_keeps_its_status_when_its_reader_leaves(damaged: bool, status: int, tmp_path: Path, start: Start) -> None:
    raw = b'{"type":"ticker","sequence":1,"product_id":"P%d","price":"1"}'
    write(tmp_path, [frame_line(raw % number, NS, 0) for number in range(5000)])
    if damaged:
        (tmp_path / "damaged.jsonl").write_text("no recording")
    process = start("ls", str(tmp_path))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == status
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_record_works_without_standard_streams(exchange: Exchange, tmp_path: Path, start: Start) -> None:
    """As after `>&- 2>&-`. The segment gets none of the descriptors, so that no line of a library goes into it."""

    def close_them() -> None:
        os.close(1)
        os.close(2)

    args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path), "--seconds", "2")
    process = start(*args, preexec_fn=close_them)
    wait_until(lambda: bool(segments(tmp_path)))
    (path,) = segments(tmp_path)
    opened = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in (1, 2)]
    assert opened == [Path(os.devnull)] * 2
    assert process.wait(20) == 0
    assert lines_of(path)[-1]["end"]["frames"] > 0


# ---- terminals


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The ends of a terminal: what shows it, and what is written to."""
    master, slave = pty.openpty()
    yield master, slave
    for each in (master, slave):
        with contextlib.suppress(OSError):
            os.close(each)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_record_draws_in_any_encoding(
    encoding: str, exchange: Exchange, terminal: tuple[int, int], tmp_path: Path, start: Start
) -> None:
    master, slave = terminal
    folder = tmp_path / NAME
    args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(folder), "--seconds", "2")
    environment = {"PYTHONIOENCODING": encoding, "TERM": "xterm", "COLUMNS": "200"}
    process = start(*args, stdout=slave, env=environment)
    os.close(slave)
    out = b""
    with contextlib.suppress(OSError):  # raised when the process has ended
        while data := os.read(master, 65536):
            out += data
    assert process.wait(20) == 0
    assert b"rxfeed record" in out
    assert b"All received frames are recorded." in out


def test_record_continues_after_its_terminal_closed(
    exchange: Exchange, terminal: tuple[int, int], tmp_path: Path, start: Start
) -> None:
    master, slave = terminal
    args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path), "--seconds", "2")
    process = start(*args, stdout=slave, env={"TERM": "xterm"})
    os.close(slave)
    assert os.read(master, 1)
    os.close(master)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert "warning: standard output cannot be written: Input/output error" in err
    (path,) = segments(tmp_path)
    assert lines_of(path)[-1]["end"]["frames"] > 0


# ---- logs


def test_warnings_of_the_library_are_lines_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    with logs_on_stderr():
        logging.getLogger("rxfeed.sinks").warning("the server answered: %s", "\x1b[2Jno")
        logging.getLogger("rxfeed.sinks").info("not shown")
        logging.getLogger("rxfeed.feed.status").warning("reported by the command itself")
    assert capsys.readouterr().err == "the server answered: ?[2Jno\n"
