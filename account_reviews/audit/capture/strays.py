"""A memory gave what is of another account or tenant: the entry that raises the alarm."""

import logging
from datetime import UTC, datetime
from uuid import uuid4

from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.memory.protocol import Stray

_log = logging.getLogger(__name__)


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
