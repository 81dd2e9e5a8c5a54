"""The reference pages have every option of every command, every status event, and every exit status."""

from __future__ import annotations

import re
import runpy

from rxfeed import feed
from rxfeed.cli.doctor_options import ExitStatus
from tests.support.doc_pages import DOCS

CLI = (DOCS / "reference" / "cli.md").read_text("utf-8")
STATUS_EVENTS = (DOCS / "reference" / "status_events.md").read_text("utf-8")
EXIT_STATUSES = (DOCS / "reference" / "exit_statuses.md").read_text("utf-8")
COMMANDS = runpy.run_path(str(DOCS.parent / "scripts" / "cli_page"))["commands"]()


def test_cli_page_has_each_command_with_all_its_options() -> None:
    sections = dict(re.findall(r"^## rxfeed (\w+)\n\n```text\n(.*?)^```", CLI, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(COMMANDS)
    for name, text in COMMANDS.items():
        options = set(re.findall(r"--[a-z-]+", text))
        assert options == set(re.findall(r"--[a-z-]+", sections[name])), f"{name}: run scripts/cli_page"


def test_status_page_has_each_event_in_its_table_and_its_text() -> None:
    events = {name for name in feed.__all__ if _is_event(getattr(feed, name))} - {"FeedStatus"}
    table = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", STATUS_EVENTS, re.MULTILINE))))
    assert table == events
    described = set(re.findall(r"^::: rxfeed(?:\.feed)?\.(\w+)$", STATUS_EVENTS, re.MULTILINE))
    assert described - {"FeedStatus"} == events


def test_exit_status_page_has_each_command_and_each_step_of_doctor() -> None:
    assert re.findall(r"^\| `(\w+)` \|", EXIT_STATUSES, re.MULTILINE) == list(COMMANDS)
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", EXIT_STATUSES, re.MULTILINE)} == {
        int(status) for status in ExitStatus if status
    }


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, feed.FeedStatus)
