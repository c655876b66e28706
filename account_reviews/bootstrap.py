"""The composition root: the only place where real things are constructed.

Each is made, and what it is made of imported, when it is asked for: a command that lists reviews
needs a connection and a query, and neither an engine, a CRM nor Temporal.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from account_reviews.audit.capture.recorder import AuditParts, open_audit
from account_reviews.config.settings import Settings
from account_reviews.store.addresses import normalise_url, place_of, same_place
from account_reviews.store.connections import Databases
from account_reviews.store.statements import Statements

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from temporalio.client import Client

    from account_reviews.access.guard import Guard
    from account_reviews.audit.capture.outbox_relay import Relay
    from account_reviews.crm.protocol import AccountSource, CrmBackend
    from account_reviews.crm.writer import CrmWriter
    from account_reviews.domain.base import Timestamp
    from account_reviews.domain.policy.model import Policy
    from account_reviews.domain.records import AccountSnapshot
    from account_reviews.domain.review.state import Execution
    from account_reviews.domain.review.terms import Terms
    from account_reviews.memory.protocol import MemoryBackend
    from account_reviews.notifications.courier import Posting
    from account_reviews.notifications.protocol import Notifier
    from account_reviews.store.admission import Admission
    from account_reviews.store.cycle_queries import CycleReader
    from account_reviews.store.digest_queries import DigestReader
    from account_reviews.store.digest_writes import DigestStore
    from account_reviews.store.event_intake import EventIntake
    from account_reviews.store.halt_gate import StartGate
    from account_reviews.store.halt_queries import HaltReader
    from account_reviews.store.halts import HaltStore
    from account_reviews.store.memory_syncs import MemorySyncs
    from account_reviews.store.notification_delivery_queries import DeliveryReader
    from account_reviews.store.operations import OperationLedger
    from account_reviews.store.review_figures import SessionReader
    from account_reviews.store.review_queries import ReviewReader
    from account_reviews.store.review_writes import FirstRows
    from account_reviews.store.reviews import ReviewStore
    from account_reviews.store.schedule_run_queries import ScheduleRunReader
    from account_reviews.store.schedule_runs import ScheduleRunStore
    from account_reviews.store.sign_ins import SignIns
    from account_reviews.store.transactions import Transactions


@dataclass
class Parts:
    """Everything real that a process works with. A part is built when it is asked for."""

    settings: Settings
    audit: AuditParts
    databases: Databases
    version_check: "Literal['atomic', 'compared'] | None" = None
    """What requests say of how the CRM holds a write to a version; a worker sets it."""

    # What reads.

    @cached_property
    def statements(self) -> Statements:
        """The main database."""
        return self.databases.statements(self.settings.require_database_url())

    @cached_property
    def reader(self) -> "ReviewReader":
        from account_reviews.store.review_queries import ReviewReader

        return ReviewReader(self.statements)

    @cached_property
    def cycles(self) -> "CycleReader":
        from account_reviews.store.cycle_queries import CycleReader

        return CycleReader(self.statements)

    @cached_property
    def schedule_history(self) -> "ScheduleRunReader":
        from account_reviews.store.schedule_run_queries import ScheduleRunReader

        return ScheduleRunReader(self.statements)

    @cached_property
    def halt_history(self) -> "HaltReader":
        from account_reviews.store.halt_queries import HaltReader

        return HaltReader(self.statements)

    @cached_property
    def slow_statements(self) -> Statements:
        """The main database, for queries over much that keep nobody else waiting."""
        return self.databases.more_statements(self.settings.require_database_url())

    @cached_property
    def digests(self) -> "DigestReader":
        from account_reviews.store.digest_queries import DigestReader

        return DigestReader(self.slow_statements)

    @cached_property
    def figures(self) -> "SessionReader":
        from account_reviews.store.review_figures import SessionReader

        return SessionReader(self.slow_statements)

    # What a start needs.

    @cached_property
    def accounts(self) -> "AccountSource":
        """The CRM's accounts; of one in PostgreSQL over a plain connection, without an engine."""
        from account_reviews.crm.registry import scheme_of
        from account_reviews.crm.sql.accounts import SqlAccounts

        url = self.settings.crm_url
        if url is not None and scheme_of(url) != "postgresql":
            return self.crm.of(self.settings.tenant)
        ours = url is None or self._is_ours(url)
        statements = self.statements if ours else self.databases.statements(url or "")
        return SqlAccounts(statements, self.settings.tenant)

    @cached_property
    def start_gate(self) -> "StartGate":
        from account_reviews.store.halt_gate import StartGate

        return StartGate(self.transactions, self.settings.tenant)

    @cached_property
    def admission(self) -> "Admission":
        from account_reviews.store.admission import Admission

        return Admission(self.transactions, self.settings.tenant)

    @cached_property
    def transactions(self) -> "Transactions":
        """The main database, for what holds locks."""
        return self.databases.transactions(self.settings.require_database_url())

    @cached_property
    def intake(self) -> "EventIntake":
        """Takes in what the CRM says has changed."""
        from account_reviews.store.event_intake import EventIntake

        return EventIntake(
            self.transactions,
            self.settings.tenant,
            most=self.settings.webhook_max_queue,
            kept=self.policy.events.duplicates,
        )

    @cached_property
    def first_rows(self) -> "FirstRows":
        from account_reviews.store.review_writes import FirstRows

        return FirstRows(self.statements, self.audit.rules)

    # Who may.

    @cached_property
    def guard(self) -> "Guard":
        from account_reviews.access.choice import open_guard

        return open_guard(self.settings)

    @cached_property
    def sign_ins(self) -> "SignIns":
        """Who signs in, over a connection of its own: each request of a browser asks first."""
        from account_reviews.store.sign_ins import open_sign_ins

        statements = self.databases.more_statements(self.settings.require_database_url())
        return open_sign_ins(statements, self.settings.tenant)

    async def terms(self, tenant: str, snapshot: "AccountSnapshot", *people: str) -> "Terms":
        """The rules of a request that is opened now, see `TermsNow`."""
        from account_reviews.access.identities import ids_in_request

        found = self.guard.terms(self.policy)
        ids = await ids_in_request(self.statements, tenant, found, snapshot, people)
        return found.model_copy(update={"version_check": self.version_check, "ids": ids})

    # What rules and writes.

    @cached_property
    def policy(self) -> "Policy":
        return self.settings.policy()

    @cached_property
    def engine(self) -> "AsyncEngine":
        """The main database."""
        return self.databases.engine(self.settings.require_database_url())

    @cached_property
    def operations(self) -> "OperationLedger":
        """What was sent to the CRM, and what came of it."""
        from account_reviews.store.operations import OperationLedger

        return OperationLedger(self.engine)

    @cached_property
    def writer(self) -> "CrmWriter":
        """What writes to the CRM, and knows what was written."""
        from account_reviews.crm.writer import CrmWriter

        return CrmWriter(self.writing_crm, self.operations, self.halts.gate)

    @cached_property
    def foreign_ledger(self) -> "AsyncEngine | None":
        """The database in which an SQL CRM elsewhere notes its writes; None: there is none."""
        from account_reviews.crm.registry import scheme_of

        url = self.settings.crm_write_url or self.settings.crm_url
        is_sql = url is not None and scheme_of(url) == "postgresql"
        return self._crm_engine(url) if url and is_sql and not self._is_ours(url) else None

    async def adopt_ledger(self) -> None:
        """Take over what an SQL CRM elsewhere has noted, once. UnreachableError, CrmError."""
        from account_reviews.crm.sql.adoption import adopt_ledger

        if (engine := self.foreign_ledger) is not None:
            place, tenant = place_of(engine.url.render_as_string()), self.settings.tenant
            await adopt_ledger(engine, self.operations, tenant=tenant, place=place)

    def _crm_engine(self, url: str | None) -> "AsyncEngine":
        """When a CRM's database is ours it is our engine, however its URL is written: the gate is
        then asked in the transaction of the write, over one connection."""
        from account_reviews.crm.registry import scheme_of

        elsewhere = url is not None and scheme_of(url) == "postgresql" and not self._is_ours(url)
        return self.databases.engine(url or "") if elsewhere else self.engine

    def _is_ours(self, url: str) -> bool:
        return same_place(url, self.settings.require_database_url())

    @cached_property
    def crm(self) -> "CrmBackend":
        """What reads, and need not be allowed to write."""
        return self._open_crm(self.settings.crm_url)

    @cached_property
    def writing_crm(self) -> "CrmBackend":
        """What writes, and looks up what was written. The same unless REVIEWS_CRM_WRITE_URL says
        otherwise."""
        url = self.settings.crm_write_url
        return self.crm if url is None else self._open_crm(url, may_write=True)

    def _open_crm(self, url: str | None, *, may_write: bool = False) -> "CrmBackend":
        from account_reviews.crm.registry import CrmContext, open_crm

        return open_crm(
            CrmContext(
                url=url or self.settings.require_database_url(),
                settings=self.settings,
                engine=self.engine,
                engine_of=self._crm_engine,
                closing=self.databases.stack,
                may_write=may_write,
            )
        )

    @cached_property
    def memory(self) -> "MemoryBackend":
        from account_reviews.audit.capture.strays import stray_alarm
        from account_reviews.memory.choice import MemoryContext, open_memory

        alarm = stray_alarm(self.audit)
        context = MemoryContext(self.settings, self.engine, self.databases.stack, alarm)
        return open_memory(context)

    @cached_property
    def memory_syncs(self) -> "MemorySyncs":
        from account_reviews.store.memory_syncs import MemorySyncs

        return MemorySyncs(self.engine)

    @cached_property
    def store(self) -> "ReviewStore":
        from account_reviews.store.reviews import ReviewStore

        return ReviewStore(self.engine, self.audit.rules)

    @cached_property
    def schedule_runs(self) -> "ScheduleRunStore":
        from account_reviews.store.schedule_runs import ScheduleRunStore

        return ScheduleRunStore(self.engine)

    @cached_property
    def halts(self) -> "HaltStore":
        from account_reviews.store.halts import HaltStore

        return HaltStore(self.engine, rules=self.audit.rules)

    @cached_property
    def digest_store(self) -> "DigestStore":
        from account_reviews.store.digest_writes import DigestStore

        return DigestStore(self.engine)

    @cached_property
    def deliveries(self) -> "DeliveryReader":
        from account_reviews.store.notification_delivery_queries import DeliveryReader

        return DeliveryReader(self.statements)

    @cached_property
    def posting(self) -> "Posting":
        """What notifies people, each once."""
        from account_reviews.notifications.address_book import AddressBook
        from account_reviews.notifications.courier import Courier, Posting
        from account_reviews.presentation.readers import notice_wording
        from account_reviews.store.notification_deliveries import DeliveryLedger
        from account_reviews.telemetry import instruments

        ledger = DeliveryLedger(self.engine, self.audit.rules)
        return Posting(
            Courier(ledger, open_notifiers(self.settings), instruments.notice_tried),
            AddressBook(self.policy, self.crm),
            replace(notice_wording(self.settings, self.policy), links=self.guard.link_path),
        )

    def relay(self, *, adopts: bool = True) -> "Relay":
        """Brings entries to the trail, and the writes of our tenant. What an SQL CRM elsewhere has
        noted is taken over by the login that writes."""
        from account_reviews.audit.capture.outbox_relay import Relay

        return Relay(
            self.engine,
            self.audit.engine,
            self.audit.rules,
            tenant=self.settings.tenant,
            adopt=self.adopt_ledger if adopts else None,
        )

    def activities(
        self, on_close: Callable[[], None] = lambda: None, *, writes: bool = True
    ) -> list[object]:
        """One instance of each activity class, but for the upkeep jobs of a worker.

        Without `writes` none that needs the credential that may write to the CRM.
        `on_close` is called once a closed review is saved.
        """
        from account_reviews.access.said import check_said
        from account_reviews.store.cycle_results import CycleResultStore
        from account_reviews.store.cycles import CycleStore
        from activities.access import AccessActivities
        from activities.analysis import AnalysisActivities
        from activities.answers import AnswerActivities
        from activities.crm import CrmActivities
        from activities.cycles import CycleActivities
        from activities.halts import HaltActivities
        from activities.memory import MemoryActivities
        from activities.memory_sync import MemorySyncActivities
        from activities.notifications import NotificationActivities
        from activities.proposals import ProposalActivities
        from activities.results import ResultActivities
        from activities.schedules import ScheduleActivities
        from activities.store import StoreActivities
        from activities.undo import UndoActivities

        return [
            *(self.writing_activities() if writes else ()),
            CrmActivities(
                self.crm,
                self.store,
                self.settings.snapshot_limits(),
                self.default_as_of,
            ),
            AccessActivities(partial(check_said, self.guard, self.sign_ins.people)),
            UndoActivities(
                self.crm,
                self.operations,
                self.store,
                self.settings.snapshot_limits(),
                self.policy,
                self.terms,
            ),
            ProposalActivities(self.crm, self.settings.snapshot_limits(), self.terms),
            HaltActivities(self.halts),
            MemoryActivities(self.memory, self.store),
            MemorySyncActivities(
                self.crm,
                self.memory,
                self.memory_syncs,
                self.settings.snapshot_limits(),
                self.default_as_of,
            ),
            AnalysisActivities(self.store, self.policy, self.terms),
            AnswerActivities(self.store, self.memory, self.policy),
            StoreActivities(self.store, self.policy.gather, on_close),
            NotificationActivities(self.reader, self.posting),
            ScheduleActivities(self.schedule_runs),
            ResultActivities(self.crm, CycleResultStore(self.engine), self.policy),
            CycleActivities(
                self.crm,
                CycleStore(self.engine),
                self.store,
                self.halts,
                self.policy,
                self.settings.snapshot_limits(),
                self.default_as_of,
            ),
        ]

    def writing_activities(self) -> list[object]:
        """Those that need the credential that may write."""
        from activities.crm_writes import CrmWriteActivities

        return [CrmWriteActivities(self.writer)]

    async def connect(self) -> "Client":
        """Temporal, as a command asks it: traced and recorded. Errors of `temporal.client`."""
        from account_reviews.telemetry.client_tracing import client_tracing
        from account_reviews.temporal.client import connect

        return await connect(self.settings, interceptors=[client_tracing(), self.audit.asking])

    async def default_as_of(self) -> "Timestamp | None":
        """The `--as-of` of the last CRM import; None when the CRM is of today."""
        from account_reviews.crm.sql.accounts import SqlAccounts

        accounts = self.accounts
        return await accounts.last_as_of() if isinstance(accounts, SqlAccounts) else None

    async def execution(self) -> "Execution":
        """Which steps run locally, from what the backends say of themselves."""
        from account_reviews.domain.review.state import Execution
        from account_reviews.memory.choice import capabilities_of

        crm, memory = await self.accounts.capabilities(), capabilities_of(self.settings)
        return Execution(
            crm_reads="local" if crm.local else "regular",
            memory="local" if memory.local else "regular",
        )


def open_notifiers(settings: Settings) -> "dict[str, Notifier]":
    """A notifier per channel, whether the policy names it or not. BadInputError for settings that
    cannot be used; without settings a channel says what is missing."""
    from account_reviews.notifications.console import ConsoleNotifier
    from account_reviews.notifications.email import EmailNotifier, Sender
    from account_reviews.notifications.smtp_server import parse_smtp_url
    from account_reviews.notifications.unavailable import UnavailableNotifier
    from account_reviews.notifications.webhook import WebhookNotifier

    found: dict[str, Notifier] = {
        "console": ConsoleNotifier(shown=settings.log_level in ("debug", "info"))
    }
    smtp, secret = settings.secret("smtp_url"), settings.secret("webhook_secret")
    if smtp is None or settings.smtp_from is None:
        missing = "REVIEWS_SMTP_URL" if smtp is None else "REVIEWS_SMTP_FROM"
        found["email"] = UnavailableNotifier(
            "email", f"e-mail is not set up: {missing} is not set", "see docs/notifications.md"
        )
    else:
        found["email"] = EmailNotifier(parse_smtp_url(smtp), Sender(settings.smtp_from))
    if settings.webhook_url is None or secret is None:
        missing = (
            "REVIEWS_WEBHOOK_URL" if settings.webhook_url is None else "REVIEWS_WEBHOOK_SECRET"
        )
        found["webhook"] = UnavailableNotifier(
            "webhook",
            f"the webhook is not set up: {missing} is not set",
            "see docs/notifications.md",
        )
    else:
        found["webhook"] = WebhookNotifier(settings.webhook_url, secret)
    return found


@asynccontextmanager
async def open_parts(settings: Settings, *, application: str) -> AsyncIterator[Parts]:
    """What builds the parts, and disposes of those that were built.

    PolicyError, BadInputError or UnreachableError for settings that no part can be built from.
    """
    rules = settings.audit_rules()
    main, trail = settings.require_database_url(), settings.require_audit_database_url()
    for url in (main, settings.crm_url, settings.crm_write_url, trail):
        if url is None or "://" not in url or url.startswith("postgres"):
            normalise_url(url or main)
    async with AsyncExitStack() as stack:
        databases = Databases(application, stack)
        audit = await stack.enter_async_context(
            open_audit(
                databases.statements(trail),
                databases.statements(main),
                lambda: databases.engine(trail),
                rules=rules,
                tenant=settings.tenant,
            )
        )
        yield Parts(settings=settings, audit=audit, databases=databases)
