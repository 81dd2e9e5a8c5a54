"""One attempt to get documents into a collection, and what its outcome means for each of them.

| what came of it | its documents |
|---|---|
| acknowledged | written |
| duplicate key of `_id` (11000) | there already: as good as written |
| another error of one document | dead, unless its code can pass: then again |
| write concern not met, or any error that can pass | again, all that are not dead: the server knows those it has |
| an error of the whole command that cannot pass | in halves, until the document that it is about stands alone: dead |
| no rights, no such user, no such place | again, unless nothing was ever written: then the sink fails |
| the client was closed | the sink fails |
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Literal

import msgspec
import pymongo
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

# Codes of MongoDB's error_codes.yml. What passes: elections, shutdowns, time-outs, conflicts, a full disk.
_PASSING = frozenset(
    {6, 7, 24, 46, 50, 63, 64, 79, 89, 91, 100, 112, 133, 134, 150, 189, 190, 202, 262, 279, 290, 317, 358, 384, 9001}
    | {10107, 11600, 11602, 13388, 13435, 13436, 14031}
)
# What is about us or the place, not about a document: Unauthorized, AuthenticationFailed, IllegalOperation, ...
_REFUSED = frozenset({11, 13, 18, 20, 26, 73, 166, 323, 8000})
# What can only be about what is in a document: BadValue, FailedToParse, Overflow, DollarPrefixedFieldName, ...
_CONTENT = frozenset({2, 9, 14, 15, 22, 52, 53, 54, 55, 56, 57, 10334, 17280})
_DUPLICATE = 11000
_PASSING_LABELS = ("RetryableWriteError", "TransientTransactionError")

Trouble = Literal["passing", "refused", "fatal"]


class InsertAttempt(msgspec.Struct):
    """What became of the documents: those *pending* are to be sent again, and *error* is why; *trouble* its kind."""

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


def attempt(collection: Collection[Any], documents: list[RawBSONDocument], seconds: float) -> InsertAttempt:
    """Insert *documents*, giving up on an answer after *seconds* (a client with a `timeoutMS` keeps that)."""
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
    """Whether the same may succeed later."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return True
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, OperationFailure) and error.code in _PASSING:
        return True
    return error.timeout or any(error.has_error_label(label) for label in _PASSING_LABELS)


def _sort(documents: list[RawBSONDocument], error: BulkWriteError) -> InsertAttempt:
    outcome = InsertAttempt(error=error)
    # Without the write concern even what was inserted is not safe, and is sent again for its acknowledgement.
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
    collection: Collection[Any], documents: list[RawBSONDocument], seconds: float, error: Exception
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
        )  # every single one: then it is not about them
    return outcome


def error_text(error: Exception | str) -> str:
    """An error in a line, without what pymongo appends of its servers, and without any password."""
    text = str(error) if isinstance(error, str) else f"{type(error).__name__}: {error}"
    text = text.partition(", Topology Description")[0].partition(", full error")[0]
    return re.sub(r"(\w+://)[^/\s]*@", r"\1***@", text)[:1000]
