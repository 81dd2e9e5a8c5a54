"""cbpro's classic client, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.client import WebsocketClient

__all__ = ["WebsocketClient"]
