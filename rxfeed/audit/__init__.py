"""Certificates of recordings: what is proven by numbers, what is missing, and what was repaired."""

from rxfeed.audit.certificate import audit, certified
from rxfeed.audit.picture import draw
from rxfeed.audit.range_files import last_of
from rxfeed.audit.reading import read_file
from rxfeed.audit.records import FileRecord
from rxfeed.audit.repair import RepairedGap, RepairSummary, repair
from rxfeed.audit.result import STATES, Audit, AuditDamage, AuditRow, MissingNumbers, State
from rxfeed.audit.state import AuditState

__all__ = [
    "STATES",
    "Audit",
    "AuditDamage",
    "AuditRow",
    "AuditState",
    "FileRecord",
    "MissingNumbers",
    "RepairSummary",
    "RepairedGap",
    "State",
    "audit",
    "certified",
    "draw",
    "last_of",
    "read_file",
    "repair",
]
