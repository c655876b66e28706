"""Writes: read, compare, write. HubSpot has no conditional write, see docs/hubspot.md."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

from account_reviews.crm.field_mapping import ModuleMapping
from account_reviews.crm.http.client import Answer
from account_reviews.crm.hubspot.client import Found, HubSpotApi, found_in, is_record_id
from account_reviews.crm.hubspot.fields import Fields
from account_reviews.crm.hubspot.portal import Portal
from account_reviews.crm.hubspot.refusals import (
    BAD_REQUEST,
    NOT_FOUND,
    existing_id,
    is_taken,
    named_property,
    refusal,
)
from account_reviews.crm.hubspot.values import moment
from account_reviews.crm.record_writes import Write, plan_write, wire_fields
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import ProposedChange, same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.steps import ApplyResult

LINKS: Final = {"notes": 190, "tasks": 192, "meetings": 188, "calls": 182, "emails": 186}
"""Type -> the number of its association with a company."""
_AT: Final = "hs_timestamp"
_NEW_TASK: Final = {"hs_task_status": "NOT_STARTED", "hs_task_type": "TODO"}
_LOOK_SECONDS: Final = 5.0


async def apply_change(
    api: HubSpotApi,
    portal: Portal,
    change: ProposedChange,
    *,
    expected_version: str | None,
    operation_id: str,
) -> ApplyResult:
    """As `CrmBackend.apply`."""
    write = plan_write(change)
    fields = await portal.fields()
    module = fields.module(write.type)
    if write.type is RecordType.DEAL and "stage" in write.values:
        fields.stages = await portal.stages()
    if write.id is None:
        return await _create(api, portal, fields, module, write, operation_id)
    return await _update(api, fields, module, write, change, expected_version, operation_id)


async def _create(
    api: HubSpotApi,
    portal: Portal,
    fields: Fields,
    module: ModuleMapping,
    write: Write,
    operation_id: str,
) -> ApplyResult:
    if not is_record_id(write.account_id):
        raise CrmRecordNotFoundError(f"the CRM has no account {write.account_id!r}")
    link = LINKS.get(module.module)
    if link is None:
        raise CrmInvalidError(f"a review creates no {module.module} in HubSpot", field="record")
    with _before_anything_is_sent():
        unique = await portal.unique_property(module)
    mark = operation_id if unique is None else None
    sent = _whole(module, fields.properties(module, write.values, mark=mark))
    if unique is not None:
        sent[unique] = operation_id
    answer = await api.create(
        module.module, sent, [(write.account_id, link)], operation_id=operation_id
    )
    if answer.status in (200, 201):
        made = found_in(answer, f"create one of {module.module}")
        return result_of(
            fields, module, write, _with(made, sent), "applied", at=_time(answer, made)
        )
    if is_taken(answer):
        return await _made_before(api, fields, module, write, unique, operation_id, answer)
    raise await _not_created(api, fields, module, write, answer)


async def _made_before(
    api: HubSpotApi,
    fields: Fields,
    module: ModuleMapping,
    write: Write,
    unique: str | None,
    operation_id: str,
    answer: Answer,
) -> ApplyResult:
    """An earlier try was made after all: read it by its property, or by the id of the refusal."""
    holder = existing_id(answer)
    wanted = fields.wanted(module)
    found: tuple[Found, ...] = ()
    try:
        if unique is not None:
            found = await api.read(module.module, (operation_id,), wanted, by=unique)
        elif holder is not None:
            found = await api.read(module.module, (holder,), wanted)
    except CrmError as error:
        raise _unknown(f"what stands in its way cannot be read: {error.message}") from error
    for one in found:
        if unique is None or one.properties.get(unique) == operation_id:
            return result_of(fields, module, write, one, "already_applied", at=created_at(one))
    raise _unknown("what stands in its way cannot be found")


async def _not_created(
    api: HubSpotApi, fields: Fields, module: ModuleMapping, write: Write, answer: Answer
) -> CrmError:
    """What a refusal means. HubSpot often does not say that the account is what it lacks."""
    lacks = CrmRecordNotFoundError(f"the CRM has no account {write.account_id!r}")
    if answer.status == NOT_FOUND:
        return lacks
    error = _in_our_words(refusal(answer, f"create one of {module.module}"), fields, module)
    body = answer.body if isinstance(answer.body, Mapping) else {}
    if answer.status == BAD_REQUEST and named_property(body)[0] is None:
        accounts = fields.module(RecordType.ACCOUNT)
        try:
            if await api.read_one(accounts.module, write.account_id) is None:
                return lacks
        except CrmError:
            return error
    return error


async def _update(
    api: HubSpotApi,
    fields: Fields,
    module: ModuleMapping,
    write: Write,
    change: ProposedChange,
    expected_version: str | None,
    operation_id: str,
) -> ApplyResult:
    with _before_anything_is_sent():
        found = await read_for_write(api, fields, module, write)
    before = fields.shown(module, found.properties, write.values)
    moved = fields.version(module, found.properties) != expected_version
    if expected_version is not None and (moved or not _stands(change.before, before)):
        return result_of(fields, module, write, found, "conflict")
    if before == wire_fields(write.values):
        return result_of(fields, module, write, found, "applied", before=before, at=_now())
    sent = fields.properties(module, write.values)
    answer = await api.update(module.module, found.id, sent, operation_id=operation_id)
    if answer.status == NOT_FOUND:
        raise _gone(write)
    if answer.status != 200:
        what = f"change one of {module.module}"
        raise _in_our_words(refusal(answer, what), fields, module)
    after = found_in(answer, f"change one of {module.module}")
    whole = Found(found.id, {**found.properties, **sent, **after.properties}, after.updated_at)
    at = _time(answer, after)
    return result_of(fields, module, write, whole, "applied", before=before, at=at)


async def read_for_write(
    api: HubSpotApi, fields: Fields, module: ModuleMapping, write: Write
) -> Found:
    """The record as it stands. CrmRecordNotFoundError; CrmInvalidError: of another account."""
    record_id = write.id or ""
    if not is_record_id(record_id):
        raise _gone(write)
    found, belongs = await asyncio.gather(
        api.read(module.module, (record_id,), fields.wanted(module)),
        _belongs(api, fields, module, write),
    )
    if not found:
        raise _gone(write)
    if found[0].id != record_id:
        raise CrmRecordNotFoundError(
            f"the CRM has no {write.type} {record_id!r}: it was merged into {found[0].id!r}"
        )
    if not belongs:
        raise CrmInvalidError(
            f"{write.type} {record_id!r} does not belong to account {write.account_id!r}",
            field="record",
        )
    return found[0]


async def _belongs(api: HubSpotApi, fields: Fields, module: ModuleMapping, write: Write) -> bool:
    if write.type is RecordType.ACCOUNT:
        return write.id == write.account_id
    accounts = fields.module(RecordType.ACCOUNT)
    record_id = write.id or ""
    holders = await api.associated(module.module, (record_id,), accounts.module, most=1000)
    return write.account_id in holders[record_id]


def result_of(
    fields: Fields,
    module: ModuleMapping,
    write: Write,
    found: Found,
    status: Literal["applied", "already_applied", "conflict"],
    *,
    before: Mapping[str, Scalar] | None = None,
    at: Timestamp | None = None,
) -> ApplyResult:
    """What came of a write, by the record as it stands after it."""
    names = fields.reading(module, found.properties).values
    name = next((names[one] for one in ("name", "subject", "title") if names.get(one)), None)
    return ApplyResult(
        status=status,
        record=RecordRef(
            type=write.type,
            id=found.id,
            name=name,
            version=fields.version(module, found.properties),
        ),
        before=dict(before or {}),
        current=fields.shown(module, found.properties, write.values),
        applied_at=at,
    )


def created_at(found: Found) -> datetime | None:
    """When an object was made, by HubSpot."""
    for name in ("createdate", "hs_createdate"):
        try:
            at = moment(found.properties.get(name))
        except ValueError:
            continue
        if at is not None:
            return at
    return found.changed_at


@contextmanager
def _before_anything_is_sent() -> Iterator[None]:
    """An outage inside leaves nothing unknown."""
    try:
        yield
    except CrmUnavailableError as error:
        error.sent = False
        raise


def _whole(module: ModuleMapping, sent: dict[str, str]) -> dict[str, str]:
    """With what HubSpot wants of each object of its kind."""
    found = dict(sent)
    if module.module == "tasks":
        found = {**_NEW_TASK, **found}
    if not found.get(_AT):
        found[_AT] = rfc3339(_now().replace(microsecond=0))
    return found


def _with(made: Found, sent: Mapping[str, Any]) -> Found:
    known = {name: value for name, value in made.properties.items() if value is not None}
    return Found(made.id, {**sent, **known}, made.updated_at)


def _stands(shown: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> bool:
    """True when the fields still read as people saw them."""
    return all(same(now[name], shown[name]) for name in now.keys() & shown.keys())


def _time(answer: Answer, found: Found) -> datetime:
    return found.changed_at or answer.date or _now()


def _now() -> datetime:
    return datetime.now(UTC)


def _gone(write: Write) -> CrmRecordNotFoundError:
    return CrmRecordNotFoundError(f"the CRM has no {write.type} {write.id!r}")


def _unknown(why: str) -> CrmOutcomeUnknownError:
    return CrmOutcomeUnknownError(
        f"whether HubSpot has made the record is not known: {why}", retry_after=_LOOK_SECONDS
    )


def _in_our_words(error: CrmError, fields: Fields, module: ModuleMapping) -> CrmError:
    """The field as this product calls it."""
    if isinstance(error, CrmInvalidError):
        error.field = fields.ours(module, error.field)
    return error
