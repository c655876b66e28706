"""What reviews need, checked one by one, each with what to do when it is missing.

All that a check uses is imported here, before its time begins: on a busy machine the imports take
longer than an answer may.
"""

import asyncio
import shutil
from contextlib import AsyncExitStack
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.access.keys import parse_keys
from account_reviews.audit.store import try_insert
from account_reviews.bootstrap import open_notifiers
from account_reviews.config.settings import Settings
from account_reviews.crm.field_check import ChecksMapping
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.registry import CrmContext, open_crm, scheme_of
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.halts import RELEASE_HINT
from account_reviews.local import namespace
from account_reviews.notifications.address_book import groups_without_address
from account_reviews.store.database import create_engine
from account_reviews.store.halts import HaltStore
from account_reviews.store.migration import AUDIT, current_revision, head_revision
from account_reviews.telemetry.client_tracing import client_tracing
from account_reviews.temporal.client import answering, connect
from account_reviews.temporal.executions import Standing
from account_reviews.temporal.names import RETENTION_DAYS, task_queue, write_queue
from account_reviews.temporal.open_reviews import on_other_queues
from account_reviews.temporal.pollers import ACTIVITIES, WORKFLOWS, who_polls
from account_reviews.temporal.search_attributes import SEARCH_ATTRIBUTES
from account_reviews.temporal.service_choice import choose
from account_reviews.upkeep.event_check import events_standing
from account_reviews.upkeep.examination import (
    Check,
    Examination,
    NeedError,
    Patient,
    Report,
    detail_of,
)
from account_reviews.upkeep.memory_check import examine_memory
from account_reviews.upkeep.read_model import ended_cycles, few, standings

_PATIENCE: Final = 3.0
"""Seconds for one check."""
_FAR: Final = 15.0
"""Seconds for a CRM that is a service elsewhere."""
_MIB: Final = 2**20
LEAST_FREE: Final = 50 * _MIB
"""Bytes. Both servers write their logs of changes in pieces of up to 16 MiB."""
_NOBODY: Final = "doctor/nobody"
"""An id that no workflow has."""
_LISTED: Final = 10
_ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York")


async def examine(settings: Settings) -> Report:
    """Run all checks, each within 3 seconds. Never raises for what it finds."""
    patient = Patient(settings)
    # The first two connect; the others use their connections.
    first = await asyncio.gather(
        _run("temporal", _temporal, patient), _run("database", _database, patient)
    )
    others = await asyncio.gather(*(_run(name, check, patient) for name, check in _OTHERS.items()))
    if patient.engine is not None:
        await patient.engine.dispose()
    found = {check.name: check for check in (*first, *others)}
    checks = tuple(found[name] for name in _ORDER)
    return Report(ok=all(check.ok for check in checks), checks=checks)


async def _run(name: str, examination: Examination, patient: Patient) -> Check:
    url = patient.settings.crm_url
    far = name == "crm" and url is not None and scheme_of(url) != "postgresql"
    patience = _FAR if far else _PATIENCE
    try:
        detail = await asyncio.wait_for(examination(patient), patience)
    except NeedError as error:
        return _failed(name, str(error), error.hint)
    except ReviewsError as error:
        return _failed(name, error.message, error.hint)
    except TimeoutError:
        detail = f"no answer within {patience:g} s"
        return _failed(name, detail, "see whether it runs and is not busy")
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not a crash
        detail = f"{type(error).__name__}: {error}"
        return _failed(name, detail, "this is unexpected; see the logs")
    return Check(name=name, ok=True, detail=detail)


def _failed(name: str, detail: str, hint: str | None) -> Check:
    """What failed may quote what it was given, such as an address with a password."""
    hint = None if hint is None else mask_secrets(hint)
    return Check(name=name, ok=False, detail=mask_secrets(detail), hint=hint)


async def _temporal(patient: Patient) -> str:
    patient.client = await connect(
        patient.settings, need_namespace=False, interceptors=[client_tracing()]
    )
    service = choose(patient.settings)
    passed_over = service.passed_over
    other = f"; not at {passed_over}, which the default Temporal profile names"
    found = f"answers at {patient.client.service_client.config.target_host}"
    return f"{found}, named by {service.origin}{other if passed_over else ''}"


async def _namespace(patient: Patient) -> str:
    client = patient.temporal()
    try:
        await namespace.retention_days(client)
    except RPCError as error:
        raise NeedError(
            f"{client.namespace}: {error.message}",
            f"create it with `temporal operator namespace create {client.namespace}`,"
            " or correct TEMPORAL_NAMESPACE",
        ) from None
    return client.namespace


async def _histories(patient: Patient) -> str:
    """A service may answer while it can neither read nor write a history, as on a full disk."""
    client = patient.temporal()
    try:
        await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=client.namespace, execution=WorkflowExecution(workflow_id=_NOBODY)
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise NeedError(
                f"no history can be read: {error.message}",
                "see the disk and the log of Temporal; decisions fail until it can",
            ) from None
    return "can be read"


async def _disk(patient: Patient) -> str:
    if not patient.settings.stack:
        return "no stack runs here"
    place = patient.settings.data_dir.absolute()
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE:
        raise NeedError(
            f"{free // _MIB} MiB are free for {place}, less than {LEAST_FREE // _MIB}",
            "make room: without it neither Temporal nor the database can write",
        )
    return f"{free // _MIB} MiB are free for {place}"


async def _search_attributes(patient: Patient) -> str:
    client = patient.temporal()
    missing = await namespace.missing_attributes(client)
    if missing:
        wanted = " ".join(f"--name {name} --type {SEARCH_ATTRIBUTES[name]}" for name in missing)
        raise NeedError(
            f"missing or of another type: {', '.join(missing)}",
            f"temporal operator search-attribute create -n {client.namespace} {wanted}",
        )
    return f"all {len(SEARCH_ATTRIBUTES)} are registered"


async def _retention(patient: Patient) -> str:
    client = patient.temporal()
    days = await namespace.retention_days(client)
    if days < RETENTION_DAYS:
        raise NeedError(
            f"closed reviews are kept for {days:g} days, not for {RETENTION_DAYS}",
            f"temporal operator namespace update -n {client.namespace}"
            f" --retention {RETENTION_DAYS}d",
        )
    return f"closed reviews are kept for {days:g} days"


async def _database(patient: Patient) -> str:
    url = patient.settings.require_database_url()
    engine = create_engine(url, application_name="reviews doctor")
    try:
        async with engine.connect() as connection:
            version = await connection.scalar(text("show server_version"))
    except BaseException:
        await engine.dispose()
        raise
    patient.engine = engine
    return f"PostgreSQL {version}"


async def _revision(patient: Patient) -> str:
    found, wanted = await current_revision(patient.database()), head_revision()
    if found != wanted:
        raise NeedError(
            f"the tables are at revision {found or 'none'}, this release needs {wanted}",
            "run `reviews db upgrade`",
        )
    return f"revision {found}"


async def _audit_trail(patient: Patient) -> str:
    """Whether its tables are of this release, and take a row; the row is taken back."""
    settings = patient.settings
    if settings.audit_database_url is None:
        return await _audit_database(patient.database())
    engine = create_engine(settings.audit_database_url, application_name="reviews doctor")
    try:
        return await _audit_database(engine) + ", in a database of its own"
    finally:
        await engine.dispose()


async def _audit_database(engine: AsyncEngine) -> str:
    found, wanted = await current_revision(engine, AUDIT), head_revision(AUDIT)
    if found != wanted:
        raise NeedError(
            f"the audit tables are at revision {found or 'none'}, this release needs {wanted}",
            "run `reviews db upgrade`",
        )
    try:
        await try_insert(engine)
    except DBAPIError as error:
        raise NeedError(
            f"the audit trail takes no rows: {str(error.orig).splitlines()[0]}",
            "grant `insert` on audit.audit_events to the user of REVIEWS_AUDIT_DATABASE_URL",
        ) from None
    return f"revision {found}, takes rows"


async def _stopped(patient: Patient) -> str:
    halt = await HaltStore(patient.database()).current(patient.settings.tenant)
    if halt is not None:
        raise NeedError(f"writes and starts are {halt.describe()}", RELEASE_HINT)
    return "nothing is stopped"


async def _reviews(patient: Patient) -> str:
    """Whether Temporal knows what is open here."""
    with answering():
        rows = await standings(patient.temporal(), patient.database(), patient.settings.tenant)
    gone = [f"{row.review_id} (run {row.run_id})" for row in rows if row.standing is Standing.GONE]
    if gone:
        raise NeedError(
            f"Temporal does not know {len(gone)} of {len(rows)} open reviews: {few(gone)}",
            "if its database cannot be brought back, end each: `reviews cancel REVIEW --run RUN`",
        )
    paused = [row.review_id for row in rows if row.standing is Standing.PAUSED]
    if paused:
        return f"{len(rows)} are open, {len(paused)} of them paused in Temporal: {few(paused)}"
    return f"{len(rows)} are open"


async def _cycles(patient: Patient) -> str:
    """Whether cycles that are open here are open there; their own last step closes them here."""
    with answering():
        ended = await ended_cycles(patient.temporal(), patient.database(), patient.settings.tenant)
    if ended:
        raise NeedError(
            f"Temporal has ended, or does not know, {len(ended)} open cycles: {few(ended)}",
            "end each with `reviews cycles cancel CYCLE`",
        )
    return "none is left behind"


async def _crm(patient: Patient) -> str:
    """Whether it answers and takes our credentials, and fits its mapping if it has one."""
    url = patient.settings.crm_url
    async with AsyncExitStack() as stack:

        def engine_of(address: str) -> AsyncEngine:
            engine = create_engine(address, application_name="reviews doctor")
            stack.push_async_callback(engine.dispose)
            return engine

        if url is None:
            crm: CrmBackend = SqlCrm(patient.database())
        elif scheme_of(url) == "postgresql":
            crm = SqlCrm(engine_of(url))
        else:
            crm = open_crm(CrmContext(url, patient.settings, patient.database(), engine_of, stack))
        asked = crm.of(patient.settings.tenant)
        detail = detail_of(await asked.health())
        problems = await asked.check_mapping() if isinstance(asked, ChecksMapping) else ()
    if problems:
        first = problems[0]
        raise NeedError(
            f"{detail}; {len(problems)} fields are not as the mapping has them, the first is "
            f"{first.crm_field}: {first.expected} expected, found {first.found}",
            "see `reviews crm check`",
        )
    return detail


async def _memory(patient: Patient) -> str:
    return await examine_memory(patient.settings, patient.database())


async def _time_zones(_: Patient) -> str:
    for name in _ZONES:
        try:
            ZoneInfo(name)
        except ZoneInfoNotFoundError:
            raise NeedError(f"no data for {name}", "pip install tzdata") from None
    return f"{len(available_timezones())} zones"


async def _policy(patient: Patient) -> str:
    policy = patient.settings.policy()
    source = patient.settings.policy_file or "the shipped one"
    return f"{source}, hash {policy.hash[:12]}"


async def _notifications(patient: Patient) -> str:
    """Whether the channels that the policy names are set up and answer. Nothing is sent."""
    policy = patient.settings.policy()
    channels = tuple(dict.fromkeys(policy.notifications.channels))
    notifiers = open_notifiers(patient.settings)
    if not channels:
        return "the policy names no channel: nobody is notified"
    found = await asyncio.gather(*(notifiers[channel].health() for channel in channels))
    ill = [health for health in found if not health.ok]
    if ill:
        hints = dict.fromkeys(health.hint for health in ill if health.hint)
        raise NeedError("; ".join(health.detail for health in ill), "; ".join(hints) or None)
    without = groups_without_address(policy) if "email" in channels else []
    said = [health.detail for health in found]
    if without:
        said.append(f"no e-mail address under [notifications.addresses]: {', '.join(without)}")
    return "; ".join(said)


async def _workers(patient: Patient) -> str:
    """Whether somebody works on reviews, and somebody writes what is approved."""
    tenant = patient.settings.tenant
    works = await _polled(patient, task_queue(tenant), WORKFLOWS, "start one: `reviews worker`")
    hint = "nothing that is approved is written: start `reviews worker`, or one with `--only write`"
    writes = await _polled(patient, write_queue(tenant), ACTIVITIES, hint)
    return works if works.partition(": ")[2] == writes.partition(": ")[2] else f"{works}; {writes}"


async def _polled(patient: Patient, queue: str, kind: TaskQueueType.ValueType, hint: str) -> str:
    """Who polls a task queue. NeedError when nobody does."""
    seen = await who_polls(patient.temporal(), queue, kind)
    if not seen:
        raise NeedError(f"nobody polls the task queue {queue}", hint)
    return f"on {queue}: {', '.join(seen)}"


async def _access(patient: Patient) -> str:
    """Who may do what, and whether decisions that must be signed can be checked."""
    policy, keys = patient.settings.policy(), parse_keys(patient.settings.secret("approval_keys"))
    signed = policy.approvals.require_signed
    if signed and keys is None:
        raise NeedError(
            "decisions must be signed, and there are no keys to check them with",
            "set REVIEWS_APPROVAL_KEYS for the workers, and here to sign",
        )
    users = policy.access.users
    who = "anybody may do anything" if users is None else f"users with roles: {len(users)}"
    return f"{who}; decisions {'must' if signed else 'need not'} be signed"


async def _tenants(patient: Patient) -> str:
    """Whether work of a tenant is open where only workers that adopt it would do it."""
    client, tenant = patient.temporal(), patient.settings.tenant
    with answering():
        found = await on_other_queues(client, tenant, _LISTED + 1)
    if not found:
        return f"{tenant}, with a task queue of its own"
    ids = ", ".join(workflow_id for _, workflow_id in found[:_LISTED])
    more = " and more" if len(found) > _LISTED else ""
    if all(whose == tenant for whose, _ in found):
        worker = f"the task queue it is on with `--adopt {tenant}`, as the tenant of that queue"
    else:
        others = sorted({whose for whose, _ in found} - {tenant})
        flags = " ".join(f"`--adopt {whose}`" for whose in others)
        worker = f"this queue with {flags}"
    raise NeedError(
        f"open on the task queue of another tenant: {ids}{more}",
        f"run a worker on {worker}, until they have ended or continued as new",
    )


_OTHERS: Final[dict[str, Examination]] = {
    "namespace": _namespace,
    "search attributes": _search_attributes,
    "histories": _histories,
    "retention": _retention,
    "disk": _disk,
    "database revision": _revision,
    "audit trail": _audit_trail,
    "stop-all": _stopped,
    "reviews": _reviews,
    "cycles": _cycles,
    "crm": _crm,
    "memory": _memory,
    "events": events_standing,
    "time zones": _time_zones,
    "policy": _policy,
    "access": _access,
    "notifications": _notifications,
    "workers": _workers,
    "tenants": _tenants,
}
_ORDER: Final = (
    "temporal",
    "namespace",
    "search attributes",
    "histories",
    "retention",
    "workers",
    "tenants",
    "database",
    "database revision",
    "audit trail",
    "stop-all",
    "reviews",
    "cycles",
    "crm",
    "memory",
    "events",
    "time zones",
    "policy",
    "access",
    "notifications",
    "disk",
)
