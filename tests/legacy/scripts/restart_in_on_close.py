"""Start again in on_close, unless it was meant."""

import sys
import threading

import rxfeed.compat as cbpro

again = threading.Event()


class Forever(cbpro.WebsocketClient):
    wanted = True
    sessions = 0

    def on_open(self):
        self.sessions += 1
        self.error = None

    def on_message(self, msg):
        if self.sessions == 2:
            again.set()

    def on_close(self):
        print("closed, error:", type(self.error).__name__)
        if self.wanted:
            self.start()


client = Forever(url=sys.argv[1], channels=["ticker"], should_print=False)
client.start()
assert again.wait(15)
client.wanted = False
client.close()
print("sessions", client.sessions)
