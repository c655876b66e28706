"""The upkeep jobs: each takes what it works with and says what it did."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, ConflictError
from account_reviews.domain.memory_sync import SyncInput, SyncType
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.schedule.runs import JobReport, RunJob, UpkeepJob
from account_reviews.memory.protocol import MemoryBackend
from account_reviews.notifications.courier import Posting
from account_reviews.store.digest_queries import DigestReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.schedules import upkeep
from account_reviews.upkeep.changes import EventTools


@dataclass(frozen=True)
class AuditTools:
    """The trail that jobs look after."""

    engine: AsyncEngine
    signing_key: Path
    archive: str
    """Where old months go: a directory or the URL of an object store."""


@dataclass(frozen=True)
class Tools:
    """What jobs work with."""

    client: Client
    engine: AsyncEngine
    store: ReviewStore
    runs: ScheduleRunStore
    policy: Policy
    tenant: str
    now: datetime
    audit: AuditTools | None = None
    digests: DigestReader | None = None
    memory: MemoryBackend | None = None
    crm: CrmBackend | None = None
    posting: Posting | None = None
    events: EventTools | None = None
    writer: CrmWriter | None = None

    @property
    def trail(self) -> AuditTools:
        """The trail. BadInputError in a worker that has none."""
        if self.audit is None:
            raise BadInputError("this worker has no audit trail")
        return self.audit


async def retention(tools: Tools) -> JobReport:
    """Archive and remove what was closed longer ago than the policy keeps it."""
    from account_reviews.domain.audit.entries import SYSTEM
    from account_reviews.upkeep.purge import purge

    removed = await purge(tools.engine, tools.policy, tools.tenant, actor=SYSTEM, now=tools.now)
    summary = (
        f"removed {removed.reviews} reviews, {removed.cycles} cycles, {removed.digests} digests "
        f"and {removed.documents} documents"
    )
    if removed.held:
        summary += f"; {removed.held} old reviews stay under a legal hold"
    return JobReport(summary=summary, changed=removed.total)


async def reconcile(tools: Tools) -> JobReport:
    """Bring the read model up to what Temporal has."""
    from account_reviews.upkeep.read_model import few
    from account_reviews.upkeep.read_model import reconcile as compare

    found = await compare(
        tools.client,
        tools.engine,
        tools.store,
        tools.tenant,
        kept=tools.policy.retention.closed,
        now=tools.now,
        writer=tools.writer,
    )
    summary = (
        f"closed {found.closed} rows that were left open, made {found.missing} that were missing, "
        f"{len(found.gone)} open rows are unknown to Temporal, {len(found.failed)} did not answer"
    )
    if found.gone:
        summary += f"; unknown, to be ended as `reviews doctor` says: {few(found.gone)}"
    if found.paused:
        summary += f"; paused in Temporal: {few(found.paused)}"
    return JobReport(summary=summary, changed=found.closed + found.missing)


async def extend_biweekly(tools: Tools) -> JobReport:
    """Write more dates for biweekly schedules."""
    extended = await upkeep.extend_biweekly(tools.client, tools.tenant, tools.now)
    return JobReport(summary=_sentence("extended", extended), changed=len(extended))


async def remove_done(tools: Tools) -> JobReport:
    """Delete one-time schedules that are done."""
    removed = await upkeep.remove_done(tools.client, tools.runs, tools.tenant, tools.now)
    return JobReport(summary=_sentence("removed", removed), changed=len(removed))


async def digest(tools: Tools) -> JobReport:
    """Make today's digest (UTC) of every owner, and send it by the channels of the policy."""
    from account_reviews.services.digest_mails import send_all
    from account_reviews.services.digests import make_all
    from account_reviews.store.digest_writes import DigestStore

    if tools.digests is None:
        raise BadInputError("this worker reads no digests")
    store, today = DigestStore(tools.engine), tools.now.date()
    owners = await make_all(
        tools.digests, store, tools.policy, tenant=tools.tenant, day=today, now=tools.now
    )
    summary = _sentence("made the digests of", owners)
    if tools.posting is not None:
        table = tools.policy.notifications
        posted = await send_all(
            tools.digests, tools.posting, table, owners,
            tenant=tools.tenant, day=today, now=tools.now,
        )  # fmt: skip
        summary += posted.describe()
    return JobReport(summary=summary, changed=len(owners))


async def memory(tools: Tools) -> JobReport:
    """Deliver what reviews want remembered, once the memory can be reached."""
    from account_reviews.store.memory_outbox import MemoryOutbox
    from account_reviews.upkeep.remembering import deliver

    if tools.memory is None:
        raise BadInputError("this worker has no memory")
    done = await deliver(MemoryOutbox(tools.engine), tools.memory, tools.tenant)
    summary = f"remembered {done.remembered} reviews, {done.refused} were not taken"
    if done.unavailable is not None:
        summary += f"; the others wait: {done.unavailable}"
    return JobReport(summary=summary, changed=done.remembered)


async def memory_sync(tools: Tools) -> JobReport:
    """Begin to sync what changed in the CRM into the memory."""
    return await _begin_sync(tools, SyncType.INCREMENTAL)


async def memory_sync_full(tools: Tools) -> JobReport:
    """Begin to sync all accounts into the memory."""
    return await _begin_sync(tools, SyncType.FULL)


async def _begin_sync(tools: Tools, kind: SyncType) -> JobReport:
    """It goes on by itself; one that is open already goes on, and is enough."""
    from account_reviews.domain.audit.entries import SYSTEM
    from account_reviews.services.memory_syncs import start_sync
    from account_reviews.store.memory_syncs import MemorySyncs

    start = SyncInput(type=kind, tenant=tools.tenant, started_by=SYSTEM)
    try:
        begun = await start_sync(tools.client, MemorySyncs(tools.engine), start)
    except ConflictError as error:
        return JobReport(summary=error.message)
    return JobReport(summary=f"the {kind} sync {begun.sync_id} has begun", changed=1)


async def audit_partitions(tools: Tools) -> JobReport:
    """Make the months of the trail that come next."""
    from account_reviews.audit.archive.partitions import make_ahead

    made = await make_ahead(tools.trail.engine)
    return JobReport(summary=_sentence("made", made), changed=len(made))


async def audit_cleanup(tools: Tools) -> JobReport:
    """Archive the months of the trail that are older than it is kept, and say which may go."""
    from account_reviews.audit.archive.partitions import clean_up

    trail = tools.trail
    done = await clean_up(
        trail.engine,
        trail.archive,
        trail.signing_key,
        tenant=tools.tenant,
        keep=tools.policy.retention.audit,
        now=tools.now,
    )
    summary = _sentence("archived", done.archived)
    if done.may_go:
        months = ", ".join(done.may_go)
        summary += f"; archived whole, `reviews audit retain` may drop them: {months}"
    return JobReport(summary="; ".join((summary, *done.notes)), changed=len(done.archived))


async def audit_reconcile(tools: Tools) -> JobReport:
    """Bring the trail up to what the histories in Temporal hold."""
    from account_reviews.audit.history.reconciler import Reconciler
    from account_reviews.domain.audit.redaction import rules_of

    reconciler = Reconciler(tools.client, tools.trail.engine, tools.engine, rules_of(tools.policy))
    found = await reconciler.full(now=tools.now)
    summary = (
        f"compared {found.runs} histories, added {found.rows_added} rows, closed "
        f"{found.closed_as_lost} attempts as lost, {len(found.gaps)} histories were gone"
    )
    return JobReport(
        summary="; ".join((summary, *found.warnings)),
        changed=found.rows_added + found.closed_as_lost + len(found.gaps),
    )


async def crm_changes(tools: Tools) -> JobReport:
    """Ask the CRM what has changed since the last time, and follow what no webhook has told."""
    from account_reviews.upkeep.changes import poll

    crm, events = _of_changes(tools)
    with calling_for(Priority.SCHEDULES):
        done = await poll(crm, events, tools.now)
    if done.since is None:
        return JobReport(summary="from now on it is asked what has changed")
    summary = f"{done.found} records changed, {done.taken} of which nobody had told us"
    if done.full:
        summary += "; the queue of events is full: the rest is taken next time"
    return JobReport(summary=summary, changed=done.taken)


async def crm_channels(tools: Tools) -> JobReport:
    """Renew the channels through which the CRM tells us of changes."""
    from account_reviews.upkeep.changes import renew

    crm, events = _of_changes(tools)
    with calling_for(Priority.SCHEDULES):
        channels = await renew(crm, events, tools.now)
    if channels is None:
        used = events.notify_url is not None
        why = "this CRM has no channels that end" if used else "REVIEWS_WEB_URL is not set"
        return JobReport(summary=f"nothing to renew: {why}")
    renewed = [one for one in channels if one.renewed]
    ends = min((one.expires_at for one in channels), default=None)
    until = "" if ends is None else f"; the first ends at {rfc3339(ends)}"
    return JobReport(
        summary=f"renewed {len(renewed)} of {len(channels)} channels{until}", changed=len(renewed)
    )


def _of_changes(tools: Tools) -> tuple[CrmBackend, EventTools]:
    if tools.crm is None or tools.events is None:
        raise BadInputError("this worker has no CRM")
    return tools.crm.of(tools.tenant), tools.events


def _sentence(what: str, ids: list[str]) -> str:
    return f"{what} {', '.join(ids)}" if ids else f"{what} nothing"


JOBS: Final[Mapping[UpkeepJob, Callable[[Tools], Awaitable[JobReport]]]] = {
    UpkeepJob.RETENTION: retention,
    UpkeepJob.RECONCILE: reconcile,
    UpkeepJob.EXTEND_BIWEEKLY: extend_biweekly,
    UpkeepJob.REMOVE_DONE: remove_done,
    UpkeepJob.DIGEST: digest,
    UpkeepJob.MEMORY: memory,
    UpkeepJob.MEMORY_SYNC: memory_sync,
    UpkeepJob.MEMORY_SYNC_FULL: memory_sync_full,
    UpkeepJob.AUDIT_PARTITIONS: audit_partitions,
    UpkeepJob.AUDIT_CLEANUP: audit_cleanup,
    UpkeepJob.AUDIT_RECONCILE: audit_reconcile,
    UpkeepJob.CRM_CHANGES: crm_changes,
    UpkeepJob.CRM_CHANNELS: crm_channels,
}
"""What each job does."""


@dataclass(frozen=True)
class UpkeepJobs:
    """The jobs of one process and what they work with."""

    engine: AsyncEngine
    store: ReviewStore
    policy: Policy
    audit: AuditTools | None = None
    digests: DigestReader | None = None
    memory: MemoryBackend | None = None
    crm: CrmBackend | None = None
    posting: Posting | None = None
    events: EventTools | None = None
    writer: CrmWriter | None = None

    async def run(self, call: RunJob, client: Client, now: datetime) -> JobReport:
        """Run one job to its end. BadInputError for an unknown one."""
        try:
            job = UpkeepJob(call.job)
        except ValueError:
            raise BadInputError(
                f"there is no upkeep job {call.job!r}; jobs are {', '.join(UpkeepJob)}"
            ) from None
        tools = Tools(
            client=client,
            engine=self.engine,
            store=self.store,
            runs=ScheduleRunStore(self.engine),
            policy=self.policy,
            tenant=call.tenant,
            now=now,
            audit=self.audit,
            digests=self.digests,
            memory=self.memory,
            crm=self.crm,
            posting=self.posting,
            events=self.events,
            writer=self.writer,
        )
        return await JOBS[job](tools)
