"""Certificates of recordings: what is proven by numbers, what is missing, and what was repaired."""

from rxfeed.audit.certificate import audit
from rxfeed.audit.picture import draw
from rxfeed.audit.repair import RepairedGap, RepairSummary, repair
from rxfeed.audit.result import STATES, Audit, AuditDamage, AuditRow, MissingNumbers, State

__all__ = [
    "STATES",
    "Audit",
    "AuditDamage",
    "AuditRow",
    "MissingNumbers",
    "RepairSummary",
    "RepairedGap",
    "State",
    "audit",
    "draw",
    "repair",
]
