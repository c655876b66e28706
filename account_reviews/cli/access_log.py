"""Who looked at what through the commands, and changed what: one row of the audit trail for each.

The command and its words come from the option parser, so that no verb has to record itself. A verb
that finds out whose data it shows says so with `about`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from account_reviews.cli.parameters import spare

if TYPE_CHECKING:
    from account_reviews.audit.capture.recorder import AuditParts
    from account_reviews.config.settings import Settings


class Read(NamedTuple):
    """How a verb names what it reads: the parameter, and what that is the id of."""

    parameter: str
    kind: str


READS: Final = {
    "list": Read("account", "reviews"),
    "show": Read("review", "review"),
    "watch": Read("review", "review"),
    "brief": Read("review", "review"),
    "history": Read("review", "review"),
    "explain": Read("review", "review"),
    "snapshot": Read("review", "review"),
    "resumable": Read("review", "review"),
    "digest": Read("owner", "digest"),
    "approvals list": Read("account", "approvals"),
    "approvals show": Read("request", "approval"),
    "approvals next": Read("account", "approvals"),
    "cycles list": Read("kind", "cycles"),
    "cycles show": Read("cycle", "cycle"),
    "memory search": Read("account", "memory"),
    "memory timeline": Read("account", "memory"),
    "crm events": Read("account", "events"),
    "audit tail": Read("review", "audit"),
}
"""The verbs that show data of accounts."""

_SAYS_WHO: Final = ("who", "by")
_ACCOUNTS: Final = ("reviews", "approvals", "memory", "events")
"""Kinds whose parameter is an account id."""
_running: list[tuple[str, dict[str, Any]]] = []
"""The verb of this process, once it is known."""
_about: list[str] = []
"""The review id a verb has said."""


def who_says() -> str | None:
    """Whom the command names with `--as`; None when it does not."""
    _, words = _command()
    given = (words.get(name) for name in _SAYS_WHO)
    return next((name for name in given if isinstance(name, str) and name.strip()), None)


def about(review_id: str) -> None:
    """Say of which review this command shows data, where its words do not."""
    _about[:] = [review_id]


@contextmanager
def recording_reads(audit: "AuditParts") -> Iterator[None]:
    """Record the read that is made inside, also one that found nothing."""
    name, words = _command()
    if name not in READS:
        yield
        return
    _about.clear()
    result = "answered"
    try:
        yield
    except BaseException as error:
        result = getattr(error, "code", type(error).__name__)
        raise
    finally:
        audit.log.put(_row(audit, name, words, result))


def hush() -> None:
    """A trail that is away is no concern of whoever runs a command."""
    import logging

    logging.getLogger("account_reviews.audit").setLevel(logging.CRITICAL)


class _Watched(TyperCommand):
    """A verb that is remembered with its parameters while it runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spare(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        _running[:] = [(ctx.command_path.partition(" ")[2], dict(ctx.params))]
        return super().invoke(ctx)


class Group(TyperGroup):
    """The verbs, or some of them, for `cls` of an application."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        from account_reviews.cli.help_pages import sections

        for heading, rows in sections(self.commands, root=ctx.parent is None):
            with formatter.section(heading):
                formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spare(self.get_params(ctx))
        return super().parse_args(ctx, args)


def watch(app: typer.Typer) -> None:
    """Remember which verb runs, of this application and its groups."""
    for command in app.registered_commands:
        command.cls = _Watched
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance is not None:
            watch(group.typer_instance)


def _command() -> tuple[str, dict[str, Any]]:
    """The verb as it is typed, and its parameters."""
    return _running[-1] if _running else ("", {})


async def record_change(settings: "Settings", resource: str, details: dict[str, Any]) -> None:
    """Record that this command has changed data; nothing happens without a main database."""
    from datetime import UTC, datetime
    from uuid import uuid4

    from account_reviews.bootstrap import open_parts
    from account_reviews.domain.audit.events import AuditEvent, EventType, Source, audit_entry_id
    from account_reviews.domain.errors import UnreachableError

    try:
        settings.require_database_url()
    except UnreachableError:
        return
    hush()
    async with open_parts(settings, application="reviews-cli") as parts:
        parts.audit.log.put(
            AuditEvent(
                event_id=audit_entry_id("change", uuid4()),
                at=datetime.now(UTC),
                source=Source.CLIENT,
                event_type=EventType.DATA_MODIFICATION,
                tenant=settings.tenant,
                actor=who_says() or parts.audit.actor,
                action=f"reviews {_command()[0]}",
                resource=resource,
                details=details,
            )
        )


def _row(audit: "AuditParts", name: str, words: dict[str, Any], result: str) -> Any:
    from datetime import UTC, datetime
    from uuid import uuid4

    from account_reviews.domain.audit.events import AuditEvent, EventType, Source, audit_entry_id
    from account_reviews.domain.audit.redaction import describe

    read = READS[name]
    meant = words.get(read.parameter)
    given = {key: value for key, value in words.items() if value not in (None, False, "", ())}
    whose = _whose(read, meant, audit.tenant)
    return AuditEvent(
        event_id=audit_entry_id("read", uuid4()),
        at=datetime.now(UTC),
        source=Source.CLIENT,
        event_type=EventType.DATA_ACCESS,
        tenant=audit.tenant,
        actor=audit.actor,
        action=f"reviews {name}",
        resource=f"{read.kind}/{meant}" if meant else read.kind,
        review_id=whose.get("review_id"),
        account_id=whose.get("account_id"),
        details={"result": result, "given": dict(describe(given, audit.rules))},
    )


def _whose(read: Read, meant: Any, tenant: str) -> dict[str, str]:
    from account_reviews.temporal import names

    if _about:
        meant = _about[0]
    elif not isinstance(meant, str) or read.kind not in (*_ACCOUNTS, "review"):
        return {}
    elif read.kind in _ACCOUNTS:
        return {"account_id": meant}
    try:
        account_id, _ = names.parse_review_id(meant)
    except ValueError:
        if names.is_review_id(meant):
            return {"review_id": meant}
        return {"account_id": meant, "review_id": names.review_id(meant, tenant)}
    return {"account_id": account_id, "review_id": meant}
