"""The client of cbpro's README: on_open sets everything, main polls a counter and closes."""

import sys
import time

import rxfeed.compat as cbpro


class MyWebsocketClient(cbpro.WebsocketClient):
    def on_open(self):
        self.url = sys.argv[1] + "/"
        self.products = ["BTC-USD", "ETH-USD"]
        self.channels = ["ticker"]
        self.message_count = 0
        print("Let's count the messages!")

    def on_message(self, msg):
        self.message_count += 1

    def on_close(self):
        print("-- Goodbye! --")


wsClient = MyWebsocketClient()
wsClient.start()
while wsClient.message_count < 20:
    time.sleep(0.02)
wsClient.close()
print(wsClient.url == sys.argv[1], wsClient.products)
sys.exit(1 if wsClient.error else 0)
