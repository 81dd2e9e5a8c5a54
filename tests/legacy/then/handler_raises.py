"""A handler that fails: its thread ends, with a traceback on the screen."""

import rxfeed.compat as cbpro


class Fragile(cbpro.WebsocketClient):
    def on_message(self, msg):
        if msg["type"] == "ticker":
            self.price = msg["prize"]

    def on_error(self, e, data=None):
        self.stop = True

    def on_close(self):
        pass


fragile = Fragile(products=["BTC-USD"], channels=["ticker"], should_print=False)
fragile.start()
fragile.thread.join(20)
print("ended", not fragile.thread.is_alive(), hasattr(fragile, "price"))
