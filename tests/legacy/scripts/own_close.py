"""An overridden close(), since cbpro's could hang: the flag, the socket, the thread."""

import sys
import threading

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def __init__(self, url):
        super().__init__(url=url, channels=["heartbeat"], should_print=False)
        self.first = threading.Event()

    def on_message(self, msg):
        self.first.set()

    def close(self):
        self.stop = True
        if self.thread and self.thread is not threading.current_thread():
            self.thread.join()
        if self.ws:
            self.ws.close()

    def on_close(self):
        print("closed")


client = Client(sys.argv[1])
client.start()
assert client.first.wait(10)
client.close()
print(client.error, client.ws.connected)
