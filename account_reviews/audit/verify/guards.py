"""What guards the rows of the trail, as the database has it now, against what it has to be.

A guard of the right name may do nothing, a trigger may change what is written before anybody sees
it, and a policy may hide rows from whoever reads. So all of them are listed and compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.store.sql_files import read_sql

_FOUND: Final = text(read_sql("account_reviews.audit.verify", "guards.sql"))
_REFUSE_ALL: Final = 58
"""Before UPDATE, DELETE or TRUNCATE, for each statement: `tgtype` of pg_trigger."""
_REFUSE_ROW: Final = 27
_BEFORE_INSERT: Final = 6
_AFTER_INSERT: Final = 4
_REFUSE_BUT_DELETE: Final = 50


@dataclass(frozen=True)
class Guards:
    """What one schema has to have. A month has what stands under the name of `MONTH`."""

    schema: str
    tables: dict[str, str]
    """Table -> `relkind`."""
    triggers: dict[str, dict[str, str]]
    """Table -> trigger -> function, type and whether it is on."""
    functions: dict[str, str]
    """Function -> 40 hex digits over its body and how it runs, whatever the white space."""
    defaults: dict[str, dict[str, str]] = field(default_factory=dict)
    """Table -> column -> default."""


MONTH: Final = "audit_events_YYYY_MM"
_NO_CHANGE: Final = f"audit.refuse_change {_REFUSE_ALL} O"
_EVENTS: Final = {
    "details": "'{}'::jsonb",
    "recorded_at": "clock_timestamp()",
    "seq": "nextval('audit.audit_events_seq'::regclass)",
    "xid": "((pg_current_xact_id())::text)::bigint",
}
TRAIL: Final = Guards(
    schema="audit",
    tables={
        "audit_events": "p",
        MONTH: "r",
        "seals": "r",
        "archives": "r",
        "archived_rows": "r",
    },
    triggers={
        "audit_events": {
            "no_change_at_all": _NO_CHANGE,
            "no_change": f"audit.refuse_change {_REFUSE_ROW} O",
            "after_the_sealed": f"audit.refuse_old_transaction {_BEFORE_INSERT} O",
        },
        MONTH: {
            "no_change_at_all": _NO_CHANGE,
            "no_change": f"audit.refuse_change {_REFUSE_ROW} O",
        },
        "seals": {
            "no_change_at_all": _NO_CHANGE,
            "no_false_seal": f"audit.refuse_false_seal {_AFTER_INSERT} O",
        },
        "archives": {"no_change_at_all": _NO_CHANGE},
        "archived_rows": {
            "no_change_at_all": _NO_CHANGE,
            "no_future_rows": f"audit.refuse_future_rows {_AFTER_INSERT} O",
        },
    },
    functions={
        "cleanup_audit_partitions": "fc6fd18d28415e1456bfee177df4a809d4dd7530",
        "create_audit_partition": "ae0b9c40e635c8856640161741f6af014cc385eb",
        "guard_table": "9989fcfc8ef62a5945c893f2f3729590054d56a7",
        "maintain_audit_partitions": "3f1b44770bf38669a1784a8d92a9835e20b23208",
        "merkle_root": "78a66c3b2fd3b46fd6220956e3858bb531f74939",
        "proven_rows": "a568a5e4a740afd543e08620e37ccf57e4ab3b09",
        "refuse_change": "d9e4e64f2c6fb576e0991e36fb1407a483e966a9",
        "refuse_false_seal": "7ec6e1eb7c141452ce95ae9b50837173891a865c",
        "refuse_future_rows": "b1844498ece307520450efb0e12fdf32095cb778",
        "refuse_old_transaction": "4a3ab543c336197934f6196b5ca814f5a987438b",
    },
    defaults={"audit_events": _EVENTS, MONTH: _EVENTS},
)
OUTBOX: Final = Guards(
    schema="reviews",
    tables={"audit_outbox": "r", "audit_facts": "r", "audit_numbers": "r", "audit_quarantine": "r"},
    triggers={
        "audit_outbox": {
            "numbered": f"reviews.number_facts {_AFTER_INSERT} O",
            "no_change": f"reviews.refuse_change {_REFUSE_BUT_DELETE} O",
        },
    },
    functions={
        "number_facts": "c83ecca60631702dbec0b681ec212c96117bad79",
        "refuse_change": "884c9ffbcc3b96e36ef66dfda5d5c23dabf49a48",
        "forget_facts": "7a585f124099468d5c028ef7a907e167e8b73bbd",
    },
)


async def guard_faults(connection: AsyncConnection, guards: Guards) -> list[Fault]:
    """What is there too much, what is gone, and what is not what it has to be."""
    tables = [name for name in guards.tables if name != MONTH]
    values = {"schema": guards.schema, "tables": tables}
    found: dict[str, dict[str, dict[str, str]]] = {}
    months: set[str] = set()
    for row in await connection.execute(_FOUND, values):
        months |= {row.relname} if row.month else set()
        found.setdefault(row.what, {}).setdefault(row.relname, {})[row.name] = row.definition
    return [
        Fault(kind=Kind.GUARD, why=f"{guards.schema}.{why}")
        for why in _faults(guards, found, months)
    ]


def _faults(guards: Guards, found: dict[str, Any], months: set[str]) -> Iterator[str]:
    for name, expected in guards.functions.items():
        there = found.get("function", {}).get("", {}).get(name)
        if there is None:
            yield f"{name} is gone, which guards the trail"
        elif there != expected:
            yield f"{name} is not the function that guards the trail: it was changed"
    names = [*(name for name in guards.tables if name != MONTH), *sorted(months)]
    for name in names:
        model = MONTH if name in months else name
        there = found.get("table", {}).get(name, {}).get("")
        if there != guards.tables[model]:
            yield f"{name} is {'gone' if there is None else 'no table of ours'}"
            continue
        yield from _trigger_faults(name, guards.triggers.get(model, {}), found)
        for rule in found.get("rule", {}).get(name, {}):
            yield f"{name} has a rule that is not ours: {rule}"
        for policy in found.get("policy", {}).get(name, {}):
            yield f"{name} has row level security, which can hide rows: {policy}"
        wanted = guards.defaults.get(model)
        if wanted is not None and found.get("default", {}).get(name, {}) != wanted:
            yield f"{name} fills its columns by other defaults than ours"


def _trigger_faults(name: str, expected: dict[str, str], found: dict[str, Any]) -> Iterator[str]:
    there = found.get("trigger", {}).get(name, {})
    for trigger, definition in expected.items():
        if there.get(trigger) != definition:
            what = "is off" if trigger in there else "is gone"
            yield f"{name} can be changed: its trigger {trigger} {what}"
    for trigger in there:
        if trigger not in expected:
            yield f"{name} has a trigger that is not ours: {trigger}"
