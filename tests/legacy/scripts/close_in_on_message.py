"""Leave after the tenth message, from inside the handler."""

import sys

import rxfeed.compat as cbpro


class Ten(cbpro.WebsocketClient):
    count = 0

    def on_message(self, msg):
        self.count += 1
        if self.count == 10:
            self.close()

    def on_close(self):
        print("closed after", self.count)


Ten(url=sys.argv[1], products=["BTC-USD"], channels=["matches", "ticker"], should_print=False).start()
