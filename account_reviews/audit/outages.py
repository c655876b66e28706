"""A service that is away is waited for; what is at fault by itself must not hold up the others."""

from typing import Final

import asyncpg
from sqlalchemy import exc
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.audit.event_rows import refused
from account_reviews.domain.errors import UnreachableError

_ABOUT_ONE: Final = frozenset(
    {
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.DATA_LOSS,
    }
)
"""Answers of Temporal about what was asked for: others may well get another."""


def is_away(error: BaseException) -> bool:
    """True when a database or Temporal is at fault, so that nothing else would go better now.

    False: this one thing is at fault, and another try would end the same way.
    """
    if isinstance(error, RPCError):
        return error.status not in _ABOUT_ONE
    if isinstance(error, exc.SQLAlchemyError | asyncpg.PostgresError | asyncpg.InterfaceError):
        return not refused(error)
    return isinstance(error, OSError | UnreachableError)
