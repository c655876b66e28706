"""Whether a write was made of which nobody has heard: looked up, never searched for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from account_reviews.crm.field_mapping import ModuleMapping
from account_reviews.crm.field_values import mark_of
from account_reviews.crm.hubspot.client import Found, HubSpotApi, is_record_id
from account_reviews.crm.hubspot.fields import Fields
from account_reviews.crm.hubspot.portal import Portal
from account_reviews.crm.hubspot.values import moment
from account_reviews.crm.hubspot.writes import created_at, result_of
from account_reviews.crm.record_writes import Write, plan_write, wire_fields
from account_reviews.domain.errors import CrmOutcomeUnknownError
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import same
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.steps import ApplyResult

_SKEW: Final = timedelta(minutes=15)
"""By how much HubSpot's clock and ours may differ."""
_NEWEST: Final = 200
"""Records of the account that are looked at, the newest."""


async def find_operations(
    api: HubSpotApi, portal: Portal, operations: Sequence[Operation], *, settled: timedelta
) -> dict[str, ApplyResult]:
    """As `CrmBackend.find_operations`. `settled`: after this long a try whose connection ended
    commits no more."""
    at = datetime.now(UTC)
    fields = await portal.fields()
    found: dict[str, ApplyResult] = {}
    for operation in operations:
        write = plan_write(operation.change)
        module = fields.module(write.type)
        if write.type is RecordType.DEAL and "stage" in write.values:
            fields.stages = await portal.stages()
        if write.id is not None:
            result = await _changed(api, fields, module, write, operation)
            may_come = True
        elif (unique := await portal.unique_property(module)) is not None:
            result = await _by_property(api, fields, module, write, operation, unique)
            may_come = False  # the next try would be refused by HubSpot
        else:
            result = await _by_mark(api, fields, module, write, operation)
            may_come = True
        if result is not None:
            found[operation.operation_id] = result
        elif may_come and at < operation.tried_at + settled:
            left = (operation.tried_at + settled - at).total_seconds()
            raise CrmOutcomeUnknownError(
                "HubSpot may still make a write that was sent to it", retry_after=left
            )
    return found


async def _by_property(
    api: HubSpotApi,
    fields: Fields,
    module: ModuleMapping,
    write: Write,
    operation: Operation,
    unique: str,
) -> ApplyResult | None:
    wanted = (*fields.wanted(module), "createdate", "hs_createdate")
    for one in await api.read(module.module, (operation.operation_id,), wanted, by=unique):
        if one.properties.get(unique) == operation.operation_id:
            return result_of(fields, module, write, one, "applied", at=created_at(one))
    return None


async def _by_mark(
    api: HubSpotApi, fields: Fields, module: ModuleMapping, write: Write, operation: Operation
) -> ApplyResult | None:
    """Among the records of the account: the mark stands in the text."""
    if not is_record_id(write.account_id):
        return None
    accounts = fields.module(RecordType.ACCOUNT)
    of_it = await api.associated(
        accounts.module, (write.account_id,), module.module, most=100 * _NEWEST
    )
    ids = of_it[write.account_id][:_NEWEST]
    wanted = (*fields.wanted(module), "createdate", "hs_createdate")
    for one in await api.read(module.module, ids, wanted):
        if fields.reading(module, one.properties).mark == mark_of(operation.operation_id):
            return result_of(fields, module, write, one, "applied", at=created_at(one))
    return None


async def _changed(
    api: HubSpotApi, fields: Fields, module: ModuleMapping, write: Write, operation: Operation
) -> ApplyResult | None:
    """By the values that stand there, or stood there since: HubSpot keeps a history of each."""
    if not is_record_id(write.id or ""):
        return None
    sent = fields.properties(module, write.values)
    found = await api.read(
        module.module, (write.id or "",), fields.wanted(module), histories=tuple(sent)
    )
    if not found or found[0].id != write.id:
        return None
    one, wanted = found[0], wire_fields(write.values)
    now = fields.shown(module, one.properties, write.values)
    version = fields.version(module, one.properties)
    stands = all(same(now[name], wanted[name]) for name in wanted)
    if stands and version == operation.expected_version:
        return None
    if not stands and not _stood(one, sent, operation):
        return None
    at = _written_at(one, sent) or one.changed_at
    before = operation.change.before
    return result_of(fields, module, write, one, "applied", before=before, at=at)


def _stood(found: Found, sent: Mapping[str, str], operation: Operation) -> bool:
    """Whether all values were written since the first try, and somebody wrote over them."""
    since = operation.begun_at - _SKEW
    return bool(sent) and all(
        any(
            str(entry.get("value") or "") == value
            and (_at(entry.get("timestamp")) or since) > since
            for entry in found.histories.get(name, ())
        )
        for name, value in sent.items()
    )


def _written_at(found: Found, sent: Mapping[str, str]) -> datetime | None:
    moments = [
        at
        for name, value in sent.items()
        for entry in found.histories.get(name, ())
        if str(entry.get("value") or "") == value
        and (at := _at(entry.get("timestamp"))) is not None
    ]
    return max(moments, default=None)


def _at(value: object) -> datetime | None:
    try:
        return moment(value)
    except ValueError:
        return None
