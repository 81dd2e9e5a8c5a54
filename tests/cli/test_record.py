"""`rxfeed record` against a local exchange."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from rxfeed import Credentials
from rxfeed.cli import main
from rxfeed.cli.progress import PlainProgress, Progress, RecordSummary
from rxfeed.cli.record_display import RecordDisplay
from rxfeed.cli.text import shortened
from rxfeed.feed import Stats
from rxfeed.recording import RecordStats
from rxfeed.sim import Exchange, faults
from rxfeed.venues.coinbase_exchange.messages import Match
from tests.support.limits import file_size_limit
from tests.support.recordings import frames_in, lines_of, segments, text_of
from tests.support.scenes import wait_until

Start = Callable[..., "subprocess.Popen[str]"]

STATS = RecordStats(
    frames=1_234_567,
    malformed=2,
    events=7,
    segments=3,
    bytes=150_000_000,
    uncompressed=1_200_000_000,
    rate=4999.6,
    lag=0.34,
    queued=500,
    queue_size=100_000,
    waited=0.0,
    unwritten=0,
    segment=None,
)


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=3, rate=500) as exchange:
        yield exchange


def sums(out: str) -> dict[str, str]:
    """The summary's numbers by name."""
    rows = (re.match(r"(\w+) +([\d,.]+)", line) for line in out.splitlines())
    return {row[1]: row[2].replace(",", "") for row in rows if row}


def logged(err: str) -> list[str]:
    """The log lines without their times, and without those of an exchange in the same process."""
    lines = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ([A-Z]+) +(.*)", line) for line in err.splitlines()]
    assert None not in lines, err
    own = ("connection open", "connection closed")
    return [f"{line[1]} {line[2]}" for line in lines if line and line[2] not in own]


def test_record_writes_frames_and_its_counts_agree(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["record", "BTC-USD", "ETH-USD", "--channel", "matches", "--channel", "ticker", "--seconds", "1.5"]
    assert main([*args, "--url", exchange.url, "--to", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    (path,) = segments(tmp_path)
    lines = lines_of(path)
    assert lines[0]["about"]["channels"] == ["matches", "ticker"]
    frames = frames_in(tmp_path)
    assert len(frames) > 10
    assert {frame["type"] for frame in frames} == {"subscriptions", "last_match", "match", "ticker"}
    told = sums(out)
    assert int(told["received"]) == int(told["recorded"]) == lines[-1]["end"]["frames"] == len(frames)
    assert int(told["bytes"]) == path.stat().st_size
    assert int(told["events"]) == len(lines) - 2 - len(frames)
    assert f"in 1 file of {shortened(str(tmp_path), 36)}" in out  # 80 columns
    assert out.endswith("\n\nAll received frames are recorded.\n")
    assert logged(err) == [
        f"INFO connecting to {exchange.url}",
        "INFO connected",
        "INFO subscribed to matches (BTC-USD, ETH-USD), ticker (BTC-USD, ETH-USD)",
    ]


def test_record_of_another_venue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["record", "BTC-USD", "--venue", "coinbase_advanced", "--channel", "trades", "--channel", "book"]
    with Exchange(venue="coinbase_advanced", seed=3, rate=500) as exchange:
        assert main([*args, "--seconds", "1.5", "--url", exchange.url, "--to", str(tmp_path)]) == 0
        frames = frames_in(tmp_path)
        assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
    (path,) = segments(tmp_path)
    assert lines_of(path)[0]["venue"] == "coinbase_advanced"
    assert {frame["channel"] for frame in frames} == {"subscriptions", "market_trades", "l2_data"}
    assert int(sums(capsys.readouterr().out)["recorded"]) == len(frames)


def test_record_without_messages_exits_with_3(start: Start, tmp_path: Path) -> None:
    script = [
        faults.Drop(2, types={"match"}, after=5, connection=1),
        faults.Close(1001, "going away", after=40, connection=1),
        faults.MalformedFrame("{", after=5, connection=2),
    ]
    with Exchange(["BTC-USD"], rate=1000, faults=script) as exchange:
        process = start("record", "BTC-USD", "--flush-seconds", "0.05", "--url", exchange.url, "--to", str(tmp_path))
        wait_until(lambda: any(b'"malformed"' in text_of(path) for path in segments(tmp_path)))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 3
    told = sums(out)
    assert int(told["gaps"]) >= 1
    assert (told["reconnects"], told["malformed"]) == ("1", "1")
    assert int(told["messages"]) + 1 == int(told["received"]) == int(told["recorded"])
    assert "All received frames are recorded. Some data may be missing" in out
    lines = logged(err)
    place = lines.index("WARNING connection lost: the server closed the connection: 1001 going away")
    assert lines[place + 1].startswith("INFO next attempt in ")
    assert "of BTC-USD on matches" in err
    statuses = [line["status"]["type"] for path in segments(tmp_path) for line in lines_of(path) if "status" in line]
    assert statuses.count("Connected") == 2


def test_record_limits_segments_and_keeps_earlier_ones(exchange: Exchange, tmp_path: Path) -> None:
    args = ["record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path / "new")]
    before: list[Path] = []
    for limit in (["--segment-mb", "0.002", "--level", "1"], ["--segment-minutes", "0.0001"]):
        for seconds in (2, 4, 8, 16):  # a busy machine connects late
            assert main([*args, "--seconds", str(seconds), *limit, "--flush-seconds", "0.05"]) == 0
            earlier, before = before, segments(tmp_path / "new")
            assert before[: len(earlier)] == earlier
            if len(before) > len(earlier) + 2:
                break
        else:
            pytest.fail(f"at most two segments with {limit}")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_record_ends_on_a_signal_with_the_last_line(
    ending: signal.Signals, exchange: Exchange, start: Start, tmp_path: Path
) -> None:
    process = start("record", "BTC-USD", "--url", exchange.url, "--to", str(tmp_path))
    assert process.stderr is not None
    while "INFO    subscribed" not in process.stderr.readline():
        pass
    process.send_signal(ending)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (0, "")
    assert "All received frames are recorded." in out
    (path,) = segments(tmp_path)
    assert lines_of(path)[-1]["end"]["frames"] == int(sums(out)["recorded"])


def test_record_on_a_full_disk_exits_with_1_and_counts(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with file_size_limit(3000):
        args = ["record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path)]
        assert main([*args, "--flush-seconds", "0.1"]) == 1
    out, err = capsys.readouterr()
    told = sums(out)
    lost = int(told["received"]) - int(told["recorded"])
    assert lost > 0
    assert f"Error: {lost:,} received frames are not recorded." in out
    (path,) = segments(tmp_path)
    assert re.fullmatch(rf"ERROR \d+ items not written: {path}: File too large", logged(err)[-1])
    assert len(frames_in(tmp_path)) == int(told["recorded"])


def test_record_without_a_server_warns_and_leaves_no_segment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        assert main(["record", "BTC-USD", "--url", url, "--to", str(tmp_path), "--seconds", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    connecting, warning, *_, failure = logged(err)
    assert connecting == f"INFO connecting to {url}"
    assert re.fullmatch(
        rf"WARNING not connected: {url}: .*refused: check --url, .*; next attempt in \d+\.\d s", warning
    )
    assert failure.startswith(f"ERROR never connected: {url}: ")
    assert list(tmp_path.iterdir()) == []


def test_record_retries_its_first_connection(start: Start, tmp_path: Path) -> None:
    """The server comes after the recorder: one segment, which begins with the connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(
        "record", "BTC-USD", "--channel", "ticker", "--url", f"ws://127.0.0.1:{port}", "--to", str(tmp_path)
    )
    assert process.stderr is not None
    assert "INFO    connecting to" in process.stderr.readline()
    assert "WARNING not connected: " in process.stderr.readline()
    with Exchange(seed=3, rate=500, port=port):
        wait_until(lambda: any(b'"frame"' in text_of(path) for path in segments(tmp_path)), 45)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 3, err
    assert "All received frames are recorded. Some data may be missing" in out
    (path,) = segments(tmp_path)
    lines = lines_of(path)
    assert lines[1]["status"]["type"] == "Connected"
    assert lines[-1]["end"]["frames"] == int(sums(out)["recorded"]) > 0


def test_record_names_a_host_without_address_and_ctrl_c_ends_it(start: Start, tmp_path: Path) -> None:
    process = start("record", "BTC-USD", "--url", "wss://feed.invalid", "--to", str(tmp_path))
    assert process.stderr is not None
    process.stderr.readline()
    warning = process.stderr.readline()
    assert "no address for the host" in warning
    assert "check the host name in --url" in warning
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1
    assert list(tmp_path.iterdir()) == []


def test_record_of_a_folder_that_cannot_be_made_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["record", "BTC-USD", "--to", str(tmp_path / "file" / "folder")]) == 2
    reason = f"{tmp_path}/file is not a folder"
    assert capsys.readouterr().err == f"rxfeed record: --to: {tmp_path}/file/folder cannot be created: {reason}\n"


def test_record_of_a_folder_that_is_not_writable_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    assert main(["record", "BTC-USD", "--to", str(tmp_path / "a" / "b")]) == 2
    reason = f"{tmp_path}/a/b cannot be written: {tmp_path} is not writable"
    assert capsys.readouterr().err == f"rxfeed record: --to: {reason}\n"
    assert list(tmp_path.iterdir()) == []


def test_record_rejected_subscription_exits_with_1(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["record", "BTC-XXX", "--channel", "ticker", "--url", exchange.url, "--to", str(tmp_path)]
    assert main(args) == 1
    out, err = capsys.readouterr()
    assert err.count("Failed to subscribe: BTC-XXX is not a valid product\n") == 1
    assert "ERROR nothing to record: the exchange rejected the subscription, see above" in logged(err)
    assert "All received frames are recorded, but the recording failed." in out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--to", "{file}"], "path: {file} is a file; a recording is a folder"),
        (["--to", "{folder}", "--level", "30"], "level: 30 is above 22"),
        (["--to", "{folder}", "--url", "http://127.0.0.1"], "url: "),
    ],
)
def test_record_impossible_arguments_exit_with_2(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"file": str(tmp_path / "file"), "folder": str(tmp_path / "folder")}
    (tmp_path / "file").touch()
    assert main(["record", "BTC-USD", *(each.format(**names) for each in more)]) == 2
    assert capsys.readouterr().err.startswith(f"rxfeed record: {told.format(**names)}")
    assert not (tmp_path / "folder").exists()


def test_record_without_zstandard_names_the_extra(start: Start, tmp_path: Path) -> None:
    (tmp_path / "zstandard.py").write_text("raise ModuleNotFoundError('no zstandard', name='zstandard')\n")
    process = start("record", "BTC-USD", "--to", str(tmp_path / "new"), path=tmp_path)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (2, "")
    hint = 'pip install "rxfeed[record]" (in a clone of rxfeed: pip install ".[record]")'
    assert err == f"rxfeed record: zstandard is not installed, and a recording needs it: {hint}\n"


def test_record_without_rich_signs_and_stores_no_secret(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError('no rich', name='rich')\n")
    key = Credentials("key", "c2VjcmV0LW9mLW1pbmU=", "passphrase")
    for name, value in (("KEY", key.key), ("SECRET", key.secret.reveal()), ("PASSPHRASE", key.passphrase.reveal())):
        monkeypatch.setenv(f"COINBASE_API_{name}", value)
    with Exchange(rate=500, credentials=key) as exchange:
        args = ("record", "BTC-USD", "--channel", "full", "--auth", "--seconds", "2", "--url", exchange.url)
        process = start(*args, "--to", str(tmp_path / "recording"), path=tmp_path)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    content = b"".join(map(text_of, segments(tmp_path / "recording"))).decode()
    assert len(content) > 1000
    for secret in (key.secret.reveal(), key.passphrase.reveal()):
        assert secret not in out + err + content


def test_record_continues_after_a_closed_pipe(exchange: Exchange, start: Start, tmp_path: Path) -> None:
    args = ("record", "BTC-USD", "--seconds", "2", "--url", exchange.url, "--to", str(tmp_path))
    process = start(*args)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 0
    (path,) = segments(tmp_path)
    assert lines_of(path)[-1]["end"]["frames"] > 0


# ---- what is shown


def progress(**named: object) -> Progress:
    return msgspec.structs.replace(
        Progress(status="recording", seconds=75.2, recorder=STATS, gaps=2, reconnects=1), **named
    )


@pytest.mark.parametrize("width", [80, 100, 160])
def test_record_display_fits_the_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=24, color_system=None)
    with RecordDisplay("BTC-USD to here", console) as display:
        display.show(progress())
        console.print("connected")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for told in (
        "rxfeed record   recording   1:15   Ctrl-C to end   BTC-USD to here",
        *("messages", "rate", "size", "ratio", "lag", "queued", "gaps", "lost", "files"),
        *("1,234,567", "5,000/s", "150.0 MB", "8.0x", "0.3 s", "500", "2", "0", "3"),
    ):
        assert told in text
    assert max(map(len, re.sub(r"\x1b\[[\d;?]*\w", "\r", text).replace("\r", "\n").splitlines())) <= width - 3


def test_record_prints_lines_on_a_terminal_without_rich(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainProgress(every=10) as plain:
        for tenths in range(0, 301, 2):
            plain.show(progress(seconds=tenths / 10))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10].strip() for line in lines] == ["10 s", "20 s", "30 s"]
    assert lines[0] == (
        "    10 s  messages 1,234,567  rate 5,000/s  size 150.0 MB  ratio 8.0x  lag 0.3 s  gaps 2  lost 0  files 3"
    )


def test_record_summary_has_losses_and_waiting_time() -> None:
    feed = Stats(malformed=3)
    feed.add(Match, 1_234_567)
    stats = msgspec.structs.replace(STATS, waited=2.5)
    summary = RecordSummary(folder=Path("here"), seconds=300.0, feed=feed, recorder=stats)
    assert (summary.lost, summary.exit_status) == (3, 1)
    text = summary.text()
    assert "received          1,234,570\nrecorded          1,234,567   in 3 files of here\n" in text
    assert "150.0 MB, of 1.2 GB of lines: 8.0x" in text
    assert "seconds               300.0   of which the feed waited 2.5 for the disk" in text
    assert text.endswith("Error: 3 received frames are not recorded.")


def test_record_lines_are_json(exchange: Exchange, tmp_path: Path) -> None:
    args = ["record", "BTC-USD", "--seconds", "2", "--url", exchange.url, "--to", str(tmp_path)]
    assert main(args) == 0
    for line in text_of(segments(tmp_path)[0]).splitlines():
        assert isinstance(json.loads(line), dict)
