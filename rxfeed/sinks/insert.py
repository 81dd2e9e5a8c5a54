"""One attempt to insert documents into a collection, and its outcome for each of them.

| outcome | documents |
|---|---|
| acknowledged | written |
| duplicate key of `_id` (11000) | duplicates: stored before |
| another error of one document | dead, or retried if its code is transient |
| write concern not met, or any transient error | retried, except dead ones: the server rejects duplicates |
| a permanent error of the whole command | inserted in halves, until the document at fault is alone: dead |
| no permission, no such user, no such database | retried, but if nothing was ever written, the sink fails |
| the client was closed | the sink fails |
"""

from __future__ import annotations

import contextlib
import re
from typing import Literal

import msgspec
import pymongo
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from rxfeed.sinks.bson_types import MongoCollection

# Codes of MongoDB's error_codes.yml. Transient ones: elections, shutdowns, time-outs, conflicts, a full disk.
_PASSING = frozenset(
    {6, 7, 24, 46, 50, 63, 64, 79, 89, 91, 100, 112, 133, 134, 150, 189, 190, 202, 262, 279, 290, 317, 358, 384, 9001}
    | {10107, 11600, 11602, 13388, 13435, 13436, 14031}
)
# Errors of the client or the database, not of a document: Unauthorized, AuthenticationFailed, IllegalOperation, ...
_REFUSED = frozenset({11, 13, 18, 20, 26, 73, 166, 323, 8000})
# Errors of the content of a document: BadValue, FailedToParse, Overflow, DollarPrefixedFieldName, ...
_CONTENT = frozenset({2, 9, 14, 15, 22, 52, 53, 54, 55, 56, 57, 10334, 17280})
_DUPLICATE = 11000
_PASSING_LABELS = ("RetryableWriteError", "TransientTransactionError")

Trouble = Literal["passing", "refused", "fatal"]


class InsertAttempt(msgspec.Struct):
    """The outcome for the documents: *pending* ones are sent again, because of *error*; *trouble* is its kind."""

    written: int = 0
    duplicates: int = 0
    dead: list[tuple[RawBSONDocument, str]] = msgspec.field(default_factory=list)
    pending: list[RawBSONDocument] = msgspec.field(default_factory=list)
    error: Exception | None = None
    trouble: Trouble = "passing"

    def add(self, other: InsertAttempt) -> None:
        self.written += other.written
        self.duplicates += other.duplicates
        self.dead += other.dead
        self.pending += other.pending
        if other.error is not None:
            self.error, self.trouble = other.error, other.trouble


def attempt(collection: MongoCollection, documents: list[RawBSONDocument], seconds: float) -> InsertAttempt:
    """The outcome of inserting *documents* within *seconds* (or the `timeoutMS` of the client)."""
    theirs = collection.database.client.options.timeout
    limit = pymongo.timeout(seconds) if theirs is None else contextlib.nullcontext()
    try:
        with limit:
            collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return _sort(documents, error)
    except Exception as error:
        if passes(error):
            return InsertAttempt(pending=documents, error=error)
        if isinstance(error, OperationFailure) and error.code in _REFUSED:
            return InsertAttempt(pending=documents, error=error, trouble="refused")
        if isinstance(error, OperationFailure | DocumentTooLarge | InvalidDocument):
            return _halve(collection, documents, seconds, error)
        return InsertAttempt(pending=documents, error=error, trouble="fatal")
    return InsertAttempt(written=len(documents))


def passes(error: Exception) -> bool:
    """True if the error is transient: the same attempt may succeed later."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return True
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, OperationFailure) and error.code in _PASSING:
        return True
    return error.timeout or any(error.has_error_label(label) for label in _PASSING_LABELS)


def _sort(documents: list[RawBSONDocument], error: BulkWriteError) -> InsertAttempt:
    outcome = InsertAttempt(error=error)
    # Without the write concern even inserted documents are not safe; they are sent again for an acknowledgement.
    unsafe = bool(error.details.get("writeConcernErrors"))
    failed: set[int] = set()
    for each in error.details.get("writeErrors", ()):
        failed.add(each["index"])
        document = documents[each["index"]]
        if each["code"] == _DUPLICATE and each.get("keyPattern", {"_id": 1}) == {"_id": 1}:
            outcome.duplicates += not unsafe
            if unsafe:
                outcome.pending.append(document)
        elif each["code"] in _PASSING:
            outcome.pending.append(document)
        else:
            outcome.dead.append((document, error_text(f"{each['code']}: {each['errmsg']}")))
    if unsafe:
        outcome.pending += [document for place, document in enumerate(documents) if place not in failed]
    else:
        outcome.written = len(documents) - len(failed)
    if not outcome.pending:
        outcome.error = None
    return outcome


def _halve(
    collection: MongoCollection, documents: list[RawBSONDocument], seconds: float, error: Exception
) -> InsertAttempt:
    if len(documents) == 1:
        return InsertAttempt(dead=[(documents[0], error_text(error))])
    outcome = InsertAttempt()
    middle = len(documents) // 2
    for half in (documents[:middle], documents[middle:]):
        if outcome.error is None:
            outcome.add(attempt(collection, half, seconds))
        else:
            outcome.pending += half
    about_documents = not isinstance(error, OperationFailure) or error.code in _CONTENT
    if len(outcome.dead) == len(documents) and not about_documents:
        return InsertAttempt(
            pending=documents, error=error, trouble="refused"
        )  # all of them: so the documents are not the cause
    return outcome


def error_text(error: Exception | str) -> str:
    """The text of an error in one line, without pymongo's description of servers, and without passwords."""
    text = str(error) if isinstance(error, str) else f"{type(error).__name__}: {error}"
    text = text.partition(", Topology Description")[0].partition(", full error")[0]
    return re.sub(r"(\w+://)[^/\s]*@", r"\1***@", text)[:1000]
