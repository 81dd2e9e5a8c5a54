"""The ids of products in a recording, by those under which the venue delivered them.

Rules:
- The header of a segment has those that held when the segment began.
- A `ProductRenamed` among its lines changes them from there on.
"""

from __future__ import annotations

from rxfeed.feed import ProductRenamed
from rxfeed.recording.reading import Recording
from rxfeed.venues import DeliveredIds


def recorded_ids(recording: Recording) -> DeliveredIds:
    """The ids at the beginning of *recording*."""
    renamed = {} if recording.header is None else recording.header.about.get("renamed")
    if not isinstance(renamed, dict):
        return DeliveredIds()
    return DeliveredIds({str(delivered): product for delivered, product in renamed.items() if isinstance(product, str)})


def apply(change: ProductRenamed, ids: DeliveredIds) -> None:
    """Apply a *change* among the lines of a recording to its *ids*."""
    if change.product_id == change.delivered:
        ids.pop(change.delivered, None)
    else:
        ids[change.delivered] = change.product_id
