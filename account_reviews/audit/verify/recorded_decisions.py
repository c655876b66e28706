"""Decisions as reviews recorded them, against the messages in their histories, both ways.

Who decides may call himself by what the CRM has for him: it is recorded by the name that counts, as
the terms in the same history say. No other name stands for another.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.history.asked import Asked
from account_reviews.audit.history.comparison import Chain
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.person_names import clean_name, person
from account_reviews.store.sql_files import read_sql

_RECORDED: Final = text(read_sql("account_reviews.audit.verify", "decisions_recorded.sql"))
_COMING: Final = text(
    "select distinct body->>'run_id' from reviews.audit_outbox where body->>'run_id' = any(:runs)"
)
_DECIDED: Final = "approval_decided"
_CLOCKS: Final = timedelta(minutes=10)
"""A message is accepted after the step that took it began, by two clocks."""
_YOUNG: Final = timedelta(seconds=10)
_SETTLED: Final = timedelta(minutes=1)
"""A message of so short ago may not have been worked on."""

Spelled = AbstractSet[tuple[str, str]]
"""What somebody is called otherwise, as `person` reads it, and the name that counts."""


async def add_recorded_decisions(
    report: Report,
    main: AsyncConnection,
    trail: AsyncConnection,
    chains: Mapping[str, Chain],
    began: datetime,
) -> None:
    """`chains`: histories by first run id; `began`: when they began to be read.

    Of a review that goes on, the youngest messages and rows are left to the next check.
    """
    whole = {first: chain for first, chain in chains.items() if chain.is_whole(first)}
    runs = {"runs": sorted(whole)}
    coming = set((await main.execute(_COMING, runs)).scalars())
    recorded: dict[str, list[Any]] = defaultdict(list)
    for row in await trail.execute(_RECORDED, runs):
        recorded[row.run_id].append(row)
    for first, chain in whole.items():
        rows = recorded[first]
        ended = not chain.open
        old = [row for row in rows if ended or row.recorded_at < began - _YOUNG]
        _find_forged(report, old, chain)
        settled = began if ended and first not in coming else began - _SETTLED
        report.faults += [
            Fault(kind=Kind.MISSING, why=_why_missing(one), event_id=f"{first}/{one.event}")
            for one in chain.asked
            if one.at < settled and not one.waits and not _is_recorded(one, rows, chain.spelled)
        ]


def _find_forged(report: Report, rows: Sequence[Any], chain: Chain) -> None:
    for row in rows:
        explained = (_explains(one, row, chain.spelled) for one in chain.asked)
        if row.event_type != _DECIDED or any(explained):
            continue
        why = f"no message in the history is a decision of {row.actor}"
        position = Position(row.xid, row.seq)
        report.faults.append(
            Fault(kind=Kind.EXTRA, why=why, event_id=row.event_id, position=position)
        )


def _explains(asked: Asked, row: Any, spelled: Spelled = frozenset()) -> bool:
    """True when the message can be what was recorded as decided."""
    if asked.refused or asked.at > row.at + _CLOCKS:
        return False
    if row.decision_id is not None and row.decision_id not in asked.text:
        return False
    if asked.approver is None:
        return clean_name(row.actor) in clean_name(asked.text)
    return clean_name(row.actor) in _names(asked.approver, spelled)


def _is_recorded(asked: Asked, rows: Sequence[Any], spelled: Spelled = frozenset()) -> bool:
    """True when something was recorded that can be what came of the message."""
    if asked.update and asked.refused is None:
        return True  # nobody has answered yet
    kinds = {_DECIDED} if asked.update and not asked.refused else None
    for row in rows:
        if kinds is not None and row.event_type not in kinds:
            continue
        if row.action == "malformed_signal" and not asked.update:
            return True
        if asked.approver is None or clean_name(row.actor) in _names(asked.approver, spelled):
            return True
    return False


def _names(sent: str, spelled: Spelled) -> set[str]:
    """Under which names a review may have recorded what was sent under this one."""
    who = person(sent)
    return {clean_name(sent), *(clean_name(name) for other, name in spelled if other == who)}


def _why_missing(asked: Asked) -> str:
    who = f"of {asked.approver}" if asked.approver else "by a message"
    return f"the history has a decision {who}, and no row says what came of it"
