"""A subclass that sets every attribute and never calls the parent's constructor."""

import sys

import rxfeed.compat as cbpro


class Rebel(cbpro.WebsocketClient):
    def __init__(self, url):
        self.url = url
        self.products = ["BTC-USD"]
        self.channels = ["ticker"]
        self.type = "subscribe"
        self.stop = False
        self.error = None
        self.ws = None
        self.thread = None
        self.auth = False
        self.api_key = self.api_secret = self.api_passphrase = ""
        self.should_print = True
        self.mongo_collection = None

    def on_message(self, msg):
        self.close()


rebel = Rebel(sys.argv[1])
rebel.start()
rebel.thread.join()
