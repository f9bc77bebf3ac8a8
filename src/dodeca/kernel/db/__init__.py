"""The database: units of work on SQLite or PostgreSQL, one schema for both.

A unit of work is a function of a Session. `Database.read` and `Database.write` (and their awaitable twins
`aread`, `awrite`) run it, commit once at its end, and answer only after the commit; a raised error rolls back.
A serialization failure, a deadlock or a busy database repeats the whole unit, so a unit has no effect outside
its Session; what must happen after the commit is an outbox entry (`kernel.jobs`), and what merely may
(invalidate a cache, tell open pages) goes to `WriteSession.after_commit`.
"""

from dodeca.kernel.db.bykey import Finding, Together, detached, kept_as, restored, values_of
from dodeca.kernel.db.claims import claiming
from dodeca.kernel.db.database import Database, open_database
from dodeca.kernel.db.gathering import Gathering
from dodeca.kernel.db.given import PreparedGiven
from dodeca.kernel.db.models import MEDIA, Json, Model, UtcDateTime, metadata
from dodeca.kernel.db.observe import TooManyQueries, queries
from dodeca.kernel.db.prepared import Asked, Bound, Prepared, PreparedIn
from dodeca.kernel.db.sessions import ReadOnlyViolation, ReadSession, WriteSession

__all__ = [
    "MEDIA",
    "Asked",
    "Bound",
    "Database",
    "Finding",
    "Gathering",
    "Json",
    "Model",
    "Prepared",
    "PreparedGiven",
    "PreparedIn",
    "ReadOnlyViolation",
    "ReadSession",
    "Together",
    "TooManyQueries",
    "UtcDateTime",
    "WriteSession",
    "claiming",
    "detached",
    "kept_as",
    "metadata",
    "open_database",
    "queries",
    "restored",
    "values_of",
]
