"""A memory gave what is of another account or tenant: the alarm that this raises."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from account_reviews.audit.capture.recorder import AuditParts
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.memory.protocol import Stray
from account_reviews.telemetry import instruments

_log = logging.getLogger(__name__)


def stray_alarm(audit: AuditParts) -> Callable[[Stray], None]:
    """Tells of a hit that was dropped: by a counter, in the log and in the trail."""

    def alarm(stray: Stray) -> None:
        instruments.memory_stray(stray.kind)
        audit.log.put(entry_of(stray, audit.actor))

    return alarm


def entry_of(stray: Stray, actor: str) -> AuditEvent:
    """Says whom it was asked about and what came instead, by the memory's own name for it; also in
    the log."""
    about = stray.account_id or "all accounts"
    _log.error(
        "the memory was asked about %s and gave %s, which is of another %s: it was dropped",
        about,
        stray.reference,
        stray.kind,
    )
    return AuditEvent(
        event_id=audit_entry_id("stray", uuid4()),
        at=datetime.now(UTC),
        source=Source.CLIENT,
        event_type=EventType.PERMISSION_DENIED,
        tenant=stray.tenant,
        actor=actor,
        action="memory stray dropped",
        resource=f"memory/{stray.reference}",
        severity=Severity.CRITICAL,
        account_id=stray.account_id,
        details={"kind": stray.kind},
    )
