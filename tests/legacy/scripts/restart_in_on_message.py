"""A daily reconnect, in on_message."""

import sys

import rxfeed.compat as cbpro


class Restarting(cbpro.WebsocketClient):
    opened = 0
    count = 0

    def on_open(self):
        self.opened += 1
        self.count = 0

    def on_message(self, msg):
        self.count += 1
        if self.count == 5:
            self.close()
            if self.opened < 3:
                self.start()

    def on_close(self):
        print("closed")


client = Restarting(url=sys.argv[1], channels=["ticker"])
client.start()
while client.opened < 3 or not client.stop:
    client.thread.join(0.05)
client.thread.join()
print("opened", client.opened, "error", client.error)
