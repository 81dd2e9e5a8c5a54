"""What queries of Prometheus name: metrics, their labels, and the functions around them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "rxfeed.json"
RULES = ROOT / "deploy" / "prometheus" / "rxfeed.rules.yml"

_METRIC = re.compile(r"\b(rxfeed_\w+)(?:\{([^}]*)\})?(\[)?")
_BY = re.compile(r"\bby \(([^)]*)\)")
_LABEL = re.compile(r"(\w+)(?:=~|!~|!=|=)")
_TOTALS = re.compile(r"(?:rate|increase)\((rxfeed_\w+)")


class Use(NamedTuple):
    """A metric in a query: the labels it is selected and grouped by, and whether its growth is taken."""

    query: str
    name: str
    labels: frozenset[str]
    grows: bool


def dashboard_queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def rule_queries() -> list[str]:
    return re.findall(r"^ +expr: (.*)$", RULES.read_text(), re.MULTILINE)


def uses(queries: list[str]) -> list[Use]:
    found: list[Use] = []
    for query in queries:
        grouped = {label.strip() for group in _BY.findall(query) for label in group.split(",")}
        totals = set(_TOTALS.findall(query))
        for name, selected, _ in _METRIC.findall(query):
            labels = frozenset({*_LABEL.findall(selected), *grouped} - {"instance", "le"})
            found.append(Use(query, name, labels, name in totals))
    return found
