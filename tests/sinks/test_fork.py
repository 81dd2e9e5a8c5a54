"""A child that is forked while sinks and a feed run in the parent ends, and changes nothing of the parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rxfeed import Replay
from rxfeed.feed import RecordingTruncated
from rxfeed.sinks.spill import Spill
from tests.support.collect import Collected

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SCRIPT = """
import os, sys, threading, time
from pathlib import Path
from pymongo.errors import AutoReconnect
from reactivex.subject import Subject
from rxfeed import Feed, Replay, matches, record, to_mongo
from rxfeed.errors import WrongProcess
from tests.sinks.servers import Scripted
from tests.support.sources import tick

CHILDREN = 10
folder = Path(sys.argv[1])


class Away(Scripted):
    back = False

    def insert_many(self, documents, ordered):
        if not self.back:
            raise AutoReconnect("away")
        super().insert_many(documents, ordered)


away, there = Away(), Scripted()
spilling = to_mongo(away, spill=folder / "spill.db", batch_size=20, batch_seconds=0.01)
storing = to_mongo(there, batch_size=20, batch_seconds=0.01)
recorder = record(folder / "recording", flush_seconds=0.01)
source = Subject()
for sink in (spilling, storing, recorder):
    source.pipe(sink).subscribe()
quiet = Subject()  # the lock of one that emits may be held at the fork
quiet.pipe(to_mongo(Scripted())).subscribe()
feed = Feed("BTC-USD", "matches", url="ws://127.0.0.1:9")
feed.subscribe(lambda message: None)
feed.connect()
over, number = threading.Event(), 0


def produce():
    global number
    while not over.is_set():
        source.on_next(tick(number, time.time_ns()))
        number += 1
        time.sleep(0.001)


producer = threading.Thread(target=produce)
producer.start()
time.sleep(0.3)


def child():
    uses = {
        "spilling.stats": lambda: spilling.stats,
        "storing.close": lambda: storing.close(0),
        "recorder.stats": lambda: recorder.stats,
        "recorder.close": lambda: recorder.close(0),
        "on_next": lambda: quiet.on_next(tick(0)),
        "connect": feed.connect,
        "close": feed.close,
        "add": lambda: feed.add("ETH-USD", "ticker"),
        "subscribe": lambda: feed.subscribe(print),
        "matches": lambda: feed.pipe(matches()).subscribe(print),
        "status": lambda: feed.status.subscribe(print),
        "wait": lambda: feed.wait(0),
    }
    for name, use in uses.items():
        try:
            use()
        except WrongProcess as error:
            assert "parent process" in str(error)
        else:
            raise AssertionError(f"{name} raised nothing")
    subject, own = Subject(), Scripted()
    subject.pipe(to_mongo(own)).subscribe()
    subject.on_next(tick(7))
    subject.on_completed()


for each in range(CHILDREN):
    pid = os.fork()
    if not pid:
        child()
        sys.exit(3)  # with its exit handlers
    deadline = time.monotonic() + 30
    while not (result := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            print("child", each, "hangs", flush=True)
            os._exit(1)
        time.sleep(0.002)
    assert os.waitstatus_to_exitcode(result[1]) == 3, (each, result)
assert (folder / "spill.db-wal").exists()
over.set()
producer.join()
away.back = True
source.on_completed()
quiet.on_completed()
for sink in (spilling, storing, recorder):
    sink.close(20)
feed.close()
assert len(there.stored) == len(away.stored) == number, (len(there.stored), len(away.stored), number)
messages = []
replay = Replay(folder / "recording")
replay.subscribe(messages.append)
replay.run()
assert len(messages) == number, (len(messages), number)
assert not spilling.stats.lost and not spilling.stats.spilled
print("all", spilling.stats.spilled_ever > 0)
"""


@pytest.mark.timeout(240)  # many processes, one after the other
def test_forked_children_end_without_loss_in_the_parent(tmp_path: Path) -> None:
    """Children under load under load: each use of what the parent runs raises, and each exit is clean."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "all True\n"


BLOCK = """
import os, sys
from rxfeed import Feed
with Feed("BTC-USD", "matches", url="ws://127.0.0.1:9") as feed:
    pid = os.fork()
    if not pid:
        sys.exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_child_may_exit_the_with_block_of_its_parent() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BLOCK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr


SPILL = """
import os, sys
from pathlib import Path
from rxfeed import Replay
from rxfeed.feed import RecordingTruncated
from rxfeed.sinks.spill import Spill
from tests.support.collect import Collected
spill = Spill(sys.argv[1], "x.y", 10**6)
assert spill.append([b"\\x05\\0\\0\\0\\0"] * 100, 1)
pid = os.fork()
if not pid:
    spill.forked()
    del spill
    sys.exit(0)
os.waitpid(pid, 0)
assert spill.append([b"\\x05\\0\\0\\0\\0"] * 50, 1)
os._exit(0)  # as one that is killed
"""


def test_child_s_exit_does_not_delete_the_log_of_the_spill(tmp_path: Path) -> None:
    path = tmp_path / "spill.db"
    subprocess.run([sys.executable, "-c", SPILL, str(path)], check=True, timeout=50)
    spill = Spill(path, "x.y", 10**6)
    assert spill.documents == 150
    spill.close()


def test_a_recorder_on_an_inherited_feed_leaves_no_torn_segment(tmp_path: Path) -> None:
    """It ends in the child when the feed raises, and not with the process, which may be killed."""
    script = """
import os, sys, time
from rxfeed import Feed, record
from rxfeed.errors import WrongProcess
feed = Feed("BTC-USD", "matches", url="ws://127.0.0.1:9")
feed.subscribe(lambda message: None)
feed.connect()
pid = os.fork()
if pid == 0:
    recorder = record(sys.argv[1])
    try:
        feed.pipe(recorder).subscribe()
    except WrongProcess:
        deadline = time.monotonic() + 30
        while (recorder.stats.segments < 1 or recorder.stats.segment is not None) and time.monotonic() < deadline:
            time.sleep(0.01)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=40)
    replay = Replay(tmp_path)
    got = Collected(replay.status)
    replay.run()
    assert not any(isinstance(item, RecordingTruncated) for item in got.items)
