"""The client's thread feeds an event loop."""

import asyncio
import sys

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def __init__(self, loop, messages, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loop, self.messages = loop, messages

    def on_message(self, msg):
        self.loop.call_soon_threadsafe(self.messages.put_nowait, msg)


async def main():
    messages = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client = Client(loop, messages, url=sys.argv[1], products="ETH-USD", channels=["ticker"], should_print=False)
    client.start()
    prices = []
    while len(prices) < 5:
        message = await asyncio.wait_for(messages.get(), 20)
        if message["type"] == "ticker":
            prices.append(float(message["price"]))
    await loop.run_in_executor(None, client.close)
    print(min(prices) > 0, client.error, client.thread.is_alive(), client.products)


asyncio.run(main())
