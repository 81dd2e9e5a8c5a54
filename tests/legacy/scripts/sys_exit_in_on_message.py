"""Close, and call sys.exit(), at the last message in on_message."""

import sys

import rxfeed.compat as cbpro


class Leaving(cbpro.WebsocketClient):
    def on_message(self, msg):
        print("leaving")
        self.close()
        sys.exit()

    def on_close(self):
        print("closed")


Leaving(url=sys.argv[1], channels=["ticker"]).start()
