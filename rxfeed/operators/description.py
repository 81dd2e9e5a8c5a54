"""The description of a graph: the pipelines of a source, as values and as a text."""

from __future__ import annotations

from typing import NamedTuple

from rxfeed.operators.graph import Entry, Graph, HasQueue, Step

_LONGEST = 200


class StepDescription(NamedTuple):
    """An operator. Counts are `None` where the graph does not count; a queue's are `None` without a queue.

    *items_in*: since the subscription; *items_out* and *errors*: over all subscriptions of the pipeline.
    """

    name: str
    items_in: int | None = None
    items_out: int | None = None
    errors: int | None = None
    waiting: int | None = None
    queue_size: int | None = None
    dropped: int | None = None

    def __str__(self) -> str:
        texts = [self.name]
        if self.items_in is not None:
            texts.append(f"in {self.items_in:,}")
        if self.items_out is not None:
            texts.append(f"out {self.items_out:,}")
        if self.errors:
            texts.append(f"errors {self.errors:,}")
        if self.waiting is not None:
            texts.append(f"queue {self.waiting:,}/{self.queue_size:,}")
        if self.dropped:
            texts.append(f"dropped {self.dropped:,}")
        return "  ".join(texts)


class PipelineDescription(NamedTuple):
    """A subscription: the *steps* on the stream *origin* of the source, and the *place* that subscribed."""

    origin: str
    steps: tuple[StepDescription, ...]
    place: str

    def __str__(self) -> str:
        return "\n".join((self.origin, *(f"  -> {step}" for step in self.steps), f"  => {self.place or 'subscriber'}"))


class GraphDescription(NamedTuple):
    """All *pipelines* of a *source* that have a subscriber; *counts*: whether their items are counted."""

    source: str
    counts: bool
    pipelines: tuple[PipelineDescription, ...]

    def __str__(self) -> str:
        """A tree, one line for each operator."""
        lines = [self.source]
        for pipeline in self.pipelines:
            lines.extend(f"  {line}" for line in str(pipeline).splitlines())
        if not self.pipelines:
            lines.append("  no subscriber")
        return "\n".join(lines)


def described(graph: Graph, source: str) -> GraphDescription:
    """The present state of *graph*; *source* is the text for its source."""
    shown = source if len(source) <= _LONGEST else f"{source[:_LONGEST]}..."
    return GraphDescription(shown, graph.counts, tuple(_pipeline(entry) for entry in graph.entries))


def _pipeline(entry: Entry) -> PipelineDescription:
    steps: list[StepDescription] = []
    before = entry.accepted()
    for step in entry.steps:
        described = _step(step, before)
        steps.append(described)
        before = described.items_out
    return PipelineDescription(entry.origin, tuple(steps), entry.place)


def _step(step: Step, before: int | None) -> StepDescription:
    queue = step.operator.queue_state if isinstance(step.operator, HasQueue) else None
    edge = step.edge
    return StepDescription(
        step.name,
        before,
        None if edge is None else edge.items,
        None if edge is None else edge.errors,
        None if queue is None else queue.waiting,
        None if queue is None else queue.size,
        None if queue is None else queue.dropped,
    )
