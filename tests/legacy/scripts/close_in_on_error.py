"""A handler that fails, and an on_error that closes."""

import sys

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def on_message(self, msg):
        print(1 / 0)

    def on_error(self, e, data=None):
        print("error:", e, "-", data["type"] in ("subscriptions", "ticker"))
        self.close()

    def on_close(self):
        print("closed")


client = Client(url=sys.argv[1], channels=["ticker"])
client.should_print = False
client.start()
client.thread.join()
