"""Who was notified of a request, as documents and as sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from account_reviews.domain.review.approvals import ApprovalRequest
    from account_reviews.domain.review.deliveries import DeliveryRow
    from account_reviews.presentation.words import Words

_WAYS: Final = {"console": "in the log", "email": "by e-mail", "webhook": "by webhook"}


def delivery_documents(
    request: "ApprovalRequest", rows: Sequence["DeliveryRow"] = ()
) -> list[dict[str, Any]]:
    """What the request knows of its notices, and what stands in `rows` and it does not know yet.

    `state` is `sent`, `failed` or `trying`; `ok` is whether it was sent.
    """
    found = [
        {
            "recipient": one.recipient,
            "name": one.name,
            "channel": one.channel,
            "kind": one.kind,
            "level": one.level,
            "at": one.at,
            "ok": one.ok,
            "state": "sent" if one.ok else "failed",
            "error": one.error,
        }
        for one in request.notifications
    ]
    known = {_which(one) for one in found}
    for row in rows:
        document = {
            **row.model_dump(include={"recipient", "name", "channel", "kind", "level", "error"}),
            "at": row.ended_at or row.begun_at,
            "ok": row.state == "sent",
            "state": row.state,
        }
        if _which(document) not in known:
            found.append(document)
    return sorted(found, key=lambda one: one["at"])


def delivery_sentence(document: dict[str, Any], words: "Words") -> str:
    """One of these documents: "Notified: Ann by e-mail, Thu 1 Oct, 09:00"."""
    when = words.moment(document["at"])
    kind = "" if document["kind"] == "request" else f" ({document['kind']})"
    way = _WAYS.get(document["channel"], f"by {document['channel']}")
    who = f"{document['name'] or words.person(document['recipient'])} {way}{kind}"
    if document["ok"]:
        return f"Notified: {who}, {when}"
    if document["state"] == "trying":
        return f"Not notified yet: {who}, tried {when}: {document['error'] or 'under way'}"
    return f"Not notified: {who}, {when}: {document['error'] or 'no try came to an end'}"


def _which(document: dict[str, Any]) -> tuple[str, str, str, int]:
    return (
        document["recipient"],
        document["channel"],
        str(document["kind"]),
        document["level"],
    )
