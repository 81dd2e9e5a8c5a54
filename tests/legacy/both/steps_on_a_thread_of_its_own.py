"""A bot that overrides start() and runs the three steps on its own thread."""

import os
import sys
import threading
from pathlib import Path

import rxfeed.compat as cbpro


class Bot(cbpro.WebsocketClient):
    def start(self):
        self.stop = False
        self.on_open()
        self.seen = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._go)
        self.thread.start()

    def _go(self):
        self._connect()
        print("connected", self.ws.connected, self.ws.sock is not None)
        self._listen()
        print("listened")
        self._disconnect()

    def on_open(self):
        self.url, self.products, self.channels = sys.argv[1] + "/", "BTC-USD", ["ticker", "heartbeat"]

    def on_message(self, msg):
        self.seen.append(msg["type"])
        if len(self.seen) == 5:
            self.ready.set()

    def on_close(self):
        print("closed")


def sockets():
    files = Path("/proc/self/fd").iterdir()
    return sum(os.path.lexists(file) and str(file.readlink()).startswith("socket:") for file in files)


before = sockets()
bot = Bot(should_print=False)
bot.start()
assert bot.ready.wait(15)
bot.close()
count = len(bot.seen)
print("joined", not bot.thread.is_alive(), bot.stop, bot.error, bot.products, bot.url == sys.argv[1])
threading.Event().wait(0.5)
print("after close", len(bot.seen) - count, "threads", threading.active_count(), "sockets", sockets() - before)
