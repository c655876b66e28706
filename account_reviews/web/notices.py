"""What each service says has changed, from its own shape. BadInputError for any other.

Records of modules that no review reads are passed over: nothing is wrong with them.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from account_reviews.domain.crm_events import (
    MOST_OF_A_REQUEST,
    CrmEvent,
    Delivery,
    EventAction,
    EventSource,
    checked_id,
)
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordType

_LONGEST_KEY: Final = 200

_ZOHO_MODULES: Final = {
    "accounts": RecordType.ACCOUNT,
    "contacts": RecordType.CONTACT,
    "deals": RecordType.DEAL,
    "notes": RecordType.NOTE,
    "tasks": RecordType.TASK,
    "events": RecordType.ACTIVITY,
    "calls": RecordType.ACTIVITY,
}
_ZOHO_WORDS: Final = {
    "insert": EventAction.CREATED,
    "create": EventAction.CREATED,
    "delete": EventAction.DELETED,
    "restore": EventAction.RESTORED,
}
"""Every other word, such as update and edit, is a change."""
_HUBSPOT_OBJECTS: Final = {
    "company": RecordType.ACCOUNT, "0-2": RecordType.ACCOUNT,
    "contact": RecordType.CONTACT, "0-1": RecordType.CONTACT,
    "deal": RecordType.DEAL, "0-3": RecordType.DEAL,
    "note": RecordType.NOTE, "0-46": RecordType.NOTE,
    "task": RecordType.TASK, "0-27": RecordType.TASK,
    "call": RecordType.ACTIVITY, "0-48": RecordType.ACTIVITY,
    "meeting": RecordType.ACTIVITY, "0-47": RecordType.ACTIVITY,
    "email": RecordType.ACTIVITY, "0-49": RecordType.ACTIVITY,
}  # fmt: skip
_HUBSPOT_WORDS: Final = {
    "creation": EventAction.CREATED,
    "deletion": EventAction.DELETED,
    "privacyDeletion": EventAction.DELETED,
    "restore": EventAction.RESTORED,
    "merge": EventAction.MERGED,
}
_REVIEWED: Final = frozenset(RecordType) - {RecordType.OWNER}


def parse(body: bytes) -> Any:
    """The JSON of a body. BadInputError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadInputError("the body is no JSON") from None


def read_zoho(document: Any, headers: Mapping[str, str], body: bytes) -> list[Delivery]:
    """A notification of a channel (`module`, `operation`, `ids`), or of a webhook of a workflow
    rule (`module`, `event`, `id`). Its key is `X-Zoho-Event-Id`, else the hash of the body."""
    found = _object(document)
    kind_word, action_word = _zoho_words(found)
    key = _key(headers.get("x-zoho-event-id")) or hashlib.sha256(body).hexdigest()
    kind = _ZOHO_MODULES.get(kind_word.lower())
    data = found.get("data")
    inner = data if isinstance(data, dict) else {}
    ids = found.get("ids", found.get("record_id", found.get("id", inner.get("id"))))
    listed = ids if isinstance(ids, list) else [ids]
    _refuse_many(listed)
    checked = [checked_id(one, "the id of the record") for one in listed]
    action = _ZOHO_WORDS.get(action_word.lower(), EventAction.UPDATED)
    events = tuple(
        CrmEvent(
            record_type=kind,
            record_id=one,
            action=action,
            occurred_at=_moment(found.get("server_time")),
        )
        for one in dict.fromkeys(checked)
        if kind is not None
    )
    return [Delivery(source=EventSource.ZOHO, key=key, events=events)]


def _zoho_words(found: Mapping[str, Any]) -> tuple[str, str]:
    """Module and what happened: `operation`, or `event` as `update` or `Accounts.update`."""
    module = found.get("module")
    if isinstance(module, dict):
        module = module.get("api_name")
    word = found.get("operation", found.get("event", found.get("event_type")))
    if isinstance(word, str) and "." in word:
        before, _, word = word.partition(".")
        module = module or before
    if not isinstance(module, str) or not isinstance(word, str) or not module or not word:
        raise BadInputError("the notification names no module and operation")
    return module, word


def read_hubspot(document: Any) -> list[Delivery]:
    """A list of events, each with a key of its own: subscription, event, object and time."""
    listed = document if isinstance(document, list) else [document]
    _refuse_many(listed)
    return [_hubspot_delivery(_object(one)) for one in listed]


def _hubspot_delivery(found: Mapping[str, Any]) -> Delivery:
    word = found.get("subscriptionType")
    if not isinstance(word, str) or "." not in word:
        raise BadInputError("an event has no subscriptionType")
    name, _, verb = word.partition(".")
    kind = _HUBSPOT_OBJECTS.get(str(found.get("objectTypeId")) if name == "object" else name)
    action = _HUBSPOT_WORDS.get(verb, EventAction.UPDATED)
    first = found.get("primaryObjectId") if action is EventAction.MERGED else None
    record_id = checked_id(
        first or found.get("objectId") or found.get("fromObjectId"), "the objectId of an event"
    )
    parts = [found.get(one) for one in ("subscriptionId", "eventId", "objectId", "occurredAt")]
    if parts[0] is None or parts[1] is None:
        raise BadInputError("an event has no subscriptionId and eventId")
    if found.get("objectId") is None:
        parts[2] = f"{found.get('fromObjectId')}-{found.get('toObjectId')}"
    occurred = _moment(found.get("occurredAt"))
    events = []
    if kind is not None:
        events.append(
            CrmEvent(record_type=kind, record_id=record_id, action=action, occurred_at=occurred)
        )
    association = str(found.get("associationType", ""))
    if association.endswith("_TO_COMPANY") and found.get("toObjectId") is not None:
        company = checked_id(found["toObjectId"], "the toObjectId of an event")
        events.append(
            CrmEvent(
                record_type=RecordType.ACCOUNT,
                record_id=company,
                action=EventAction.UPDATED,
                occurred_at=occurred,
            )
        )
    key = _key("/".join(str(one) for one in parts))
    if key is None:
        raise BadInputError("an event has no usable key")
    return Delivery(source=EventSource.HUBSPOT, key=key, events=tuple(events))


def read_standard(document: Any, headers: Mapping[str, str]) -> list[Delivery]:
    """`{"type": "deal.updated", "data": {"id": ..., "account_id": ...}}`, or a list of such data.
    Its key is the `webhook-id`."""
    found = _object(document)
    word = found.get("type")
    name, _, verb = word.partition(".") if isinstance(word, str) else ("", "", "")
    try:
        kind, action = RecordType(name), EventAction(verb)
    except ValueError:
        kind = RecordType.OWNER
    if kind not in _REVIEWED:
        kinds = ", ".join(sorted(one.value for one in _REVIEWED))
        raise BadInputError(
            f"type must be RECORD.ACTION, of {kinds} and of {', '.join(EventAction)}"
        )
    key = _key(headers.get("webhook-id"))
    if key is None:
        raise BadInputError("webhook-id is too long or not printable")
    data = found.get("data")
    listed = data if isinstance(data, list) else [data]
    _refuse_many(listed)
    at = _moment(found.get("timestamp"))
    events = tuple(_standard_event(kind, action, _object(one), at) for one in listed)
    return [Delivery(source=EventSource.CRM, key=key, events=events)]


def _standard_event(
    kind: RecordType, action: EventAction, data: Mapping[str, Any], at: datetime | None
) -> CrmEvent:
    record_id = checked_id(data.get("id"), "data.id")
    account = data.get("account_id")
    return CrmEvent(
        record_type=kind,
        record_id=record_id,
        action=action,
        account_id=None if account is None else checked_id(account, "data.account_id"),
        occurred_at=at,
    )


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInputError("the body is no JSON object of a change")
    return value


def _refuse_many(listed: list[Any]) -> None:
    if not listed or len(listed) > MOST_OF_A_REQUEST:
        raise BadInputError(f"a request names 1 to {MOST_OF_A_REQUEST:,} records")


def _key(value: str | None) -> str | None:
    """None for what is no key."""
    if value is None or not value.strip() or len(value) > _LONGEST_KEY or not value.isprintable():
        return None
    return value.strip()


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970, or a time with its zone; None for anything else."""
    try:
        if isinstance(value, str) and not value.isdecimal():
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo is not None else None
        if isinstance(value, str | int) and not isinstance(value, bool):
            return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
