"""The steps in the executor of an event loop, and a reconnect in a loop of the bot's own."""

import asyncio
import sys

import rxfeed.compat as cbpro


class Bot(cbpro.WebsocketClient):
    sessions = 0
    count = 0

    def on_message(self, msg):
        self.count += 1
        if self.count >= 5:
            self.stop = True

    def on_close(self):
        print("closed")


async def main():
    loop = asyncio.get_running_loop()
    bot = Bot(url=sys.argv[1], products=["ETH-USD"], channels=["ticker"], should_print=False)
    for _ in range(2):
        bot.stop, bot.count = False, 0
        await loop.run_in_executor(None, bot._connect)
        await loop.run_in_executor(None, bot._listen)
        await loop.run_in_executor(None, bot._disconnect)
        bot.sessions += 1
    print(bot.sessions, bot.stop, bot.error, bot.count)


asyncio.run(main())
