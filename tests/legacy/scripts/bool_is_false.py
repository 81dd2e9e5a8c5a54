"""A client that is a container as well: empty, hence false."""

import sys

import rxfeed.compat as cbpro


class Bag(cbpro.WebsocketClient):
    seen = 0

    def __bool__(self):
        return False

    def __len__(self):
        return 0

    def __eq__(self, other):
        raise TypeError("not to be compared")

    def on_message(self, msg):
        self.seen += 1
        if self.seen == 3:
            self.close()


bag = Bag(url=sys.argv[1], channels=["ticker"], should_print=False)
bag.start()
bag.thread.join()
print("seen", bag.seen, "error", bag.error)
