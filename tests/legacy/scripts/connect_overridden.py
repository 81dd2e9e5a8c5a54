"""The three steps of a session, each wrapped."""

import sys

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def _connect(self):
        self.products = [p.upper() for p in self.products]
        super()._connect()
        print("connect")

    def _listen(self):
        print("listen")
        super()._listen()

    def _disconnect(self):
        print("disconnect")
        super()._disconnect()

    def on_message(self, msg):
        self.close()

    def on_close(self):
        print("closed")


Client(url=sys.argv[1], products=["btc-usd"], channels=["ticker"], should_print=False).start()
