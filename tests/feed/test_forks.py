"""A fork while another thread logs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Standard error is a stream with slow writes, and the fork comes during one.
SCRIPT = """
import io, logging, os, signal, sys, threading, time
import rxfeed.feed

writing = threading.Event()


class Slow(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        writing.set()
        time.sleep(0.3)
        return len(data)


sys.stderr = io.TextIOWrapper(io.BufferedWriter(Slow()), line_buffering=True)
thread = threading.Thread(target=logging.getLogger("rxfeed.feed").warning, args=("a line",))
thread.start()
writing.wait()
pid = os.fork()
if not pid:
    sys.exit(5)
until = time.monotonic() + 30
while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
    if time.monotonic() > until:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.01)
thread.join()
logging.getLogger("rxfeed.feed").warning("the handler is free again")
print(os.waitstatus_to_exitcode(ended[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_of_a_fork_during_a_log_line_can_exit() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr
