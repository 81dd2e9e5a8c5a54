"""All metrics: names, types, labels and meanings. Each module that reads values names one of these."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the buckets of a lag."""


class Metric(NamedTuple):
    """A metric: its *name* as it is queried, except for the suffixes of a histogram."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str


def _rows(*rows: tuple[str, Kind, str, str]) -> dict[str, Metric]:
    return {name: Metric(name, kind, tuple(labels.split()), text) for name, kind, labels, text in rows}


METRICS: dict[str, Metric] = _rows(
    # ---- the messages
    ("rxfeed_messages_total", "counter", "venue product type", "Messages delivered to subscribers."),
    ("rxfeed_received_bytes_total", "counter", "venue", "Bytes of all received frames."),
    ("rxfeed_frames_total", "counter", "venue", "Received frames."),
    ("rxfeed_malformed_total", "counter", "venue", "Frames that could not be decoded."),
    ("rxfeed_duplicates_total", "counter", "venue", "Messages that came again, or too late."),
    ("rxfeed_gaps_total", "counter", "venue product", "Gaps in sequence numbers or trade ids."),
    ("rxfeed_missing_numbers_total", "counter", "venue product", "Numbers in the gaps."),
    ("rxfeed_repaired_numbers_total", "counter", "venue product", "Missed trades that came later, in order."),
    ("rxfeed_sequence_resets_total", "counter", "venue", "Sequences that went back."),
    ("rxfeed_unsubscribed_total", "counter", "venue", "Messages outside the subscription."),
    ("rxfeed_subscriber_errors_total", "counter", "venue", "Subscribers that raised, and were unsubscribed."),
    # ---- time
    (
        "rxfeed_event_lag_seconds",
        "histogram",
        "venue product",
        "Sampled: seconds from the venue's time of a message to its receipt, by both clocks; less than 0 counts as 0.",
    ),
    (
        "rxfeed_delivery_lag_seconds",
        "histogram",
        "venue",
        "Sampled: seconds from the receipt of a message to its delivery.",
    ),
    ("rxfeed_backlog_seconds", "gauge", "venue", "Seconds that received messages wait for slow subscribers."),
    ("rxfeed_backlog_max_seconds", "gauge", "venue", "The longest backlog so far."),
    # ---- the connection
    (
        "rxfeed_connection_state",
        "gauge",
        "venue state",
        "The number of feeds in this state: 1 or 0 for one feed; with several connections, the worst.",
    ),
    ("rxfeed_connections_total", "counter", "venue", "Connections that were opened."),
    ("rxfeed_reconnects_total", "counter", "venue cause", "Attempts to connect again, by what ended the connection."),
    ("rxfeed_rejections_total", "counter", "venue", "Requests that the venue rejected."),
    ("rxfeed_heartbeats_missing_total", "counter", "venue", "Times that the heartbeat of a product stopped."),
    ("rxfeed_pings_total", "counter", "venue", "Pings sent."),
    ("rxfeed_pongs_total", "counter", "venue", "Answers to pings."),
    ("rxfeed_ping_round_trip_seconds", "gauge", "venue", "The last round trip of a ping."),
    # ---- the market
    ("rxfeed_last_price", "gauge", "venue product", "Sampled: the price of a trade or ticker."),
    ("rxfeed_best_bid", "gauge", "venue product", "The best bid, of a book or a sampled ticker."),
    ("rxfeed_best_ask", "gauge", "venue product", "The best ask, of a book or a sampled ticker."),
    ("rxfeed_book_ready", "gauge", "venue product", "1 if all books of the product are those of the venue, else 0."),
    # ---- pipelines
    ("rxfeed_subscriptions", "gauge", "venue", "Subscribed pipelines."),
    ("rxfeed_queue_items", "gauge", "venue stage", "Items that wait in the queue of an operator or sink."),
    ("rxfeed_queue_size_items", "gauge", "venue stage", "The capacity of that queue."),
    ("rxfeed_queue_dropped_total", "counter", "venue stage", "Items that the queue dropped."),
    (
        "rxfeed_step_items_total",
        "counter",
        "venue pipeline step",
        "Outputs of an operator; of feeds with count_items.",
    ),
    ("rxfeed_step_errors_total", "counter", "venue pipeline step", "Errors of an operator; likewise."),
    # ---- recordings
    ("rxfeed_recorder_frames_total", "counter", "", "Frames in the files."),
    ("rxfeed_recorder_segments_total", "counter", "", "Files that were created."),
    ("rxfeed_recorder_written_bytes_total", "counter", "", "Bytes of the files."),
    ("rxfeed_recorder_uncompressed_bytes_total", "counter", "", "Bytes of the lines in them."),
    ("rxfeed_recorder_unwritten_total", "counter", "", "Items that will not be written."),
    ("rxfeed_recorder_blocked_seconds_total", "counter", "", "Seconds that the feed waited for the recorder."),
    ("rxfeed_recorder_lag_seconds", "gauge", "", "Seconds since the receipt of the oldest item that waits."),
    ("rxfeed_recorder_segment_bytes", "gauge", "", "Bytes of the file that is being written."),
    ("rxfeed_disk_free_bytes", "gauge", "", "Free bytes of the disk of the files."),
    ("rxfeed_disk_size_bytes", "gauge", "", "Bytes of that disk."),
    # ---- MongoDB
    (
        "rxfeed_mongo_documents_total",
        "counter",
        "result",
        "Documents, by what became of them.",
    ),
    ("rxfeed_mongo_batches_total", "counter", "", "Acknowledged batches."),
    ("rxfeed_mongo_retries_total", "counter", "", "Attempts that failed, and are repeated."),
    ("rxfeed_mongo_lag_seconds", "gauge", "", "Seconds since the receipt of the oldest document that waits."),
    ("rxfeed_mongo_available", "gauge", "", "1 if the last attempt succeeded, 0 if it failed."),
    ("rxfeed_spill_bytes", "gauge", "", "Bytes in the spill on disk."),
    ("rxfeed_spill_documents", "gauge", "", "Documents in the spill on disk."),
    # ---- Parquet files
    ("rxfeed_parquet_rows_total", "counter", "", "Rows in the files of the archive."),
    ("rxfeed_parquet_files_total", "counter", "", "Files of the archive."),
    ("rxfeed_parquet_written_bytes_total", "counter", "", "Bytes of these files."),
    ("rxfeed_parquet_unwritten_total", "counter", "", "Items that will not be written."),
    ("rxfeed_parquet_lag_seconds", "gauge", "", "Seconds since the oldest item that waits came."),
    # ---- this module
    ("rxfeed_samples_total", "counter", "venue", "Messages of which the lag was measured."),
)
