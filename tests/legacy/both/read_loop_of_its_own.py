"""A bot with a read loop of its own in _listen, as bots have it that need a time-out."""

import json
import sys
import threading

import rxfeed.compat as cbpro


class Bot(cbpro.WebsocketClient):
    count = 0

    def _listen(self):
        self.ws.settimeout(10)
        while not self.stop:
            try:
                data = self.ws.recv()
                msg = json.loads(data)
            except Exception as error:
                self.on_error(error)
            else:
                self.on_message(msg)

    def on_message(self, msg):
        assert isinstance(msg, dict)
        self.count += 1
        if self.count == 10:
            enough.set()

    def on_close(self):
        print("closed", self.ws.connected)


enough = threading.Event()
bot = Bot(url=sys.argv[1], products=["BTC-USD"], channels=["ticker", "matches"], should_print=False)
bot.start()
assert enough.wait(15)
bot.close()
count = bot.count
threading.Event().wait(0.5)
print("error", bot.error, "after close", bot.count - count, "threads", threading.active_count())
