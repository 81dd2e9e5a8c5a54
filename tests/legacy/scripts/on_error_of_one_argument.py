"""An on_error with one argument, as of 2018, and a port without a server."""

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def on_error(self, e):  # pyright: ignore[reportIncompatibleMethodOverride]  # as in 2018
        self.error = e
        print("failed:", type(e).__name__)

    def on_close(self):
        print("closed, stop", self.stop)


client = Client(url="ws://127.0.0.1:9", channels=["ticker"])
client.on_open = lambda: None
client.start()
client.thread.join()
