"""A person or an account is forgotten: tables, archives, memory, histories. The CRM is not ours.

Every step can be repeated: whoever is killed in the middle asks again, and the same erasure goes
on.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import Field
from temporalio.client import Client, WorkflowExecution

from account_reviews.audit.history.reconciler import Reconciler
from account_reviews.audit.seals.waiting import wait_until_sealed
from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Model
from account_reviews.domain.erasure import ErasureKind, Subject, check_name, subject_of
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    CrmError,
    NegativeAnswerError,
)
from account_reviews.domain.retention import hold_sentence
from account_reviews.memory.protocol import MemorySelector
from account_reviews.services.cancellations import cancel
from account_reviews.services.lookup import account_of, owner_name_of
from account_reviews.store.account_erasure import AccountErasure, KnownRun
from account_reviews.store.erasures import Erasure, ErasureStore
from account_reviews.store.person_erasure import PersonErasure, contacts_named
from account_reviews.temporal import names
from account_reviews.temporal.executions import (
    closed_runs,
    delete_execution,
    describe,
    first_run_of,
    is_open,
    quoted,
)

MEMORY: Final = "memory"
HISTORIES: Final = "histories"
_NAMED: Final = 5
_log = logging.getLogger(__name__)
_NOBODY: Final = (
    "a name counts as a whole: check how it is spelled, and give others of the person with --also"
)
_OF_ALL: Final = (
    "the CRM is not touched: erase it there too, or the next import or review brings it back",
    "the audit trail never changes: it keeps ids, hashes, who decided, and the words of timelines",
    "logs, traces and backups are not reached; a worker may hold a document for 10 minutes more",
)
_UNSEALED: Final = (
    "no worker has sealed what the trail got of these histories: until one does, "
    "`reviews audit verify` finds rows that Temporal knows nothing of"
)
_OF_ACCOUNTS: Final = (
    f"histories of cycles that took the account go {names.RETENTION_DAYS} days after their end",
)


class Wish(Model):
    """Who is to be forgotten, and who asks for it."""

    kind: ErasureKind
    key: str
    """An account by its id or name; or a person by name, e-mail address, phone number or id."""
    also: tuple[str, ...] = ()
    """Other names of the person."""
    by: str
    reason: str
    cancel: bool = False
    """Open reviews are cancelled first; without it they are in the way."""
    dry_run: bool = False


class Forgotten(Model):
    """What went from where. `counts` holds every place, most of them with 0."""

    erasure_id: str | None = None
    """None for a dry run."""
    kind: ErasureKind
    dry_run: bool
    counts: dict[str, int] = Field(default_factory=dict)
    cancelled: tuple[str, ...] = ()
    """Reviews that were open."""
    not_erased: tuple[str, ...] = ()
    """What could not be erased, or is not ours to erase, in sentences."""
    unknown: str | None = Field(None, exclude=True)
    """Why nobody knows whom it is about, for people; None where somebody does."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())


async def forget(parts: Parts, client: Client, wish: Wish) -> Forgotten:
    """Erase, and leave a record of it that names nobody.

    NegativeAnswerError under a legal hold, ConflictError while reviews are open or a write is under
    way, BadInputError for a name that several have, UnreachableError.
    """
    return await _Forgetting(parts, client, wish).run()


class _Forgetting:
    def __init__(self, parts: Parts, client: Client, wish: Wish) -> None:
        self._parts = parts
        self._client = client
        self._wish = wish
        self._tenant = parts.settings.tenant
        self._held = frozenset(parts.policy.retention.legal_hold)
        self._erasures = ErasureStore(parts.engine)
        self._cancelled: list[str] = []
        self._is_sealed = True

    async def run(self) -> Forgotten:
        if self._wish.kind is ErasureKind.PERSON:
            done = await self._person()
            return done if done.total else done.model_copy(update={"unknown": _NOBODY})
        known, unknown = await account_of(self._parts, self._wish.key)
        self._wish = self._wish.model_copy(update={"key": known})
        done = await self._account(several=unknown if isinstance(unknown, BadInputError) else None)
        if unknown is None or done.total:
            return done
        more = f" ({unknown.hint})" if unknown.hint else ""
        return done.model_copy(update={"unknown": f"{unknown.message}{more}"})

    async def _account(self, several: BadInputError | None) -> Forgotten:
        """`several`: which accounts may be meant, where nothing is here under what was given."""
        account_id = self._wish.key
        if account_id in self._held:
            raise _held([account_id])
        tables = AccountErasure(self._parts.engine, self._tenant, account_id)
        selector = MemorySelector(account_id=account_id)
        runs = await tables.runs()
        review_id = names.review_id(account_id, self._tenant)
        if several is not None:  # it may be gone from the CRM, and be here all the same
            histories = await self._of_account(review_id, runs)
            if not (await self._dry(await tables.count(), selector, histories)).total:
                raise several
        newest = await describe(self._client, review_id)
        is_ours = {run.run_id for run in runs if run.is_open}
        if newest is not None and is_open(newest) and first_run_of(newest) not in is_ours:
            raise _in_the_way([review_id])  # it has no row yet, or was reset
        if self._wish.dry_run:
            counts = await tables.count()
            return await self._dry(counts, selector, await self._of_account(review_id, runs))
        await self._end_open([(run.review_id, run.run_id) for run in runs if run.is_open])
        untold = await self._look_up_writes(account_id)
        erasure = await self._begin(account_id)
        histories = await self._of_account(review_id, await tables.runs())
        unstored = await self._store(histories)
        await self._erasures.note(erasure, await tables.erase(erasure.erasure_id))
        await self._forget(erasure, selector, histories, unstored)
        return await self._end(erasure, account_id, unstored, (*_OF_ACCOUNTS, *untold))

    async def _person(self) -> Forgotten:
        subject = await self._subject()
        tables = PersonErasure(self._parts.engine, self._tenant, subject)
        affected = await tables.affected()
        held = sorted({one.account_id for one in affected} & self._held)
        if held:
            raise _held(held)
        selector = MemorySelector(subject=subject.names or (self._wish.key,))
        runs = {one.run_id: one.review_id for one in affected if one.in_history}
        if self._wish.dry_run:
            return await self._dry(await tables.count(), selector, await self._of_runs(runs))
        await self._end_open([(one.review_id, one.run_id) for one in affected if one.is_open])
        erasure = await self._begin(check_name(self._wish.key).casefold(), subject)
        histories = await self._of_runs(runs)
        unstored = await self._store(histories)
        # The tables go last: they say which histories name the person, and how else he or she is
        # named in the memory. Whoever is killed on the way finds that again.
        await self._forget(erasure, selector, histories, unstored)
        changed = await tables.erase(self._wish.by, datetime.now(UTC))
        await self._erasures.note(erasure, changed)
        await self._erasures.note(erasure, {MEMORY: await self._forget_memory(selector)})
        return await self._end(erasure, None, unstored, (), subject)

    async def _subject(self) -> Subject:
        """Whoever is meant. BadInputError when several people are."""
        wanted = check_name(await owner_name_of(self._parts, self._wish.key))
        found = await contacts_named(self._parts.engine, self._tenant, wanted)
        ids = {one["id"] for one in found}
        addresses = {(one["email"] or one["id"]).casefold() for one in found}
        if len(ids) > 1 and len(addresses) > 1 and wanted not in ids:
            people = ", ".join(
                sorted({f"{one['id']} ({one['email'] or 'no address'})" for one in found})
            )
            raise BadInputError(
                f"{len(ids)} people are called {wanted}: {people}",
                hint="give the contact id or the e-mail address",
            )
        return subject_of((wanted, *self._wish.also), found)

    async def _end_open(self, reviews: Sequence[tuple[str, str]]) -> None:
        """ConflictError for open reviews that nobody wants to be cancelled, or that do not end."""
        if reviews and not self._wish.cancel:
            raise _in_the_way([review_id for review_id, _ in reviews])
        for review_id, run_id in reviews:
            done = await cancel(
                self._parts,
                self._client,
                review_id,
                run_id=run_id,
                by=self._wish.by,
                reason="what it is about is to be forgotten",
            )
            if done.state.closed_at is None:
                raise ConflictError(
                    f"the review {review_id} is not closed yet: {done.message}",
                    hint="forget again when it is; nothing was erased",
                )
            self._cancelled.append(review_id)

    async def _look_up_writes(self, account_id: str) -> list[str]:
        """What nobody knows the outcome of, asked while what was written is still noted; gives a
        sentence when that cannot be told."""
        unknown = await self._parts.operations.open_of(self._tenant, account_id)
        if unknown:
            try:
                await self._parts.writer.find(self._tenant, unknown)
            except CrmError as error:
                _log.warning("writes to %s could not be looked up: %s", account_id, error)
            unknown = await self._parts.operations.open_of(self._tenant, account_id)
        if not unknown:
            return []
        writes = "1 write" if len(unknown) == 1 else f"{len(unknown)} writes"
        return [f"whether {writes} reached the CRM is not known: look at the account there"]

    async def _begin(self, key: str, subject: Subject | None = None) -> Erasure:
        return await self._erasures.begin(
            self._tenant, self._wish.kind, key, by=self._wish.by, reason=self._reason(subject)
        )

    def _reason(self, subject: Subject | None) -> str:
        """The reason does not keep the name that goes."""
        return self._wish.reason if subject is None else subject.out_of(self._wish.reason)

    async def _of_account(
        self, review_id: str, runs: Iterable[KnownRun]
    ) -> list[WorkflowExecution]:
        """Closed executions of the account: lists may lag behind, so known runs are asked for."""
        _, tenant = names.parse_review_id(review_id)
        account = f"AccountId = {quoted(self._wish.key)} and Tenant = {quoted(tenant)}"
        query = f"WorkflowId = {quoted(review_id)} or ({account})"
        found = {one.run_id: one for one in await closed_runs(self._client, query)}
        for run in runs:
            for run_id in {run.run_id, run.workflow_run_id} - found.keys():
                one = await describe(self._client, run.review_id, run_id)
                if one is not None and not is_open(one):
                    found[run_id] = one
        return list(found.values())

    async def _of_runs(self, runs: dict[str, str]) -> list[WorkflowExecution]:
        """Closed executions of these reviews; `runs`: first run id -> review id.

        Lists may lag behind, so the first runs and the newest ones are asked for.
        """
        asked = dict(runs)
        for review_id in sorted(set(runs.values())):
            listed = await closed_runs(self._client, f"WorkflowId = {quoted(review_id)}")
            asked |= {one.run_id: one.id for one in listed}
        wholes = [await describe(self._client, named, run_id) for run_id, named in asked.items()]
        wholes += [await describe(self._client, named) for named in sorted(set(runs.values()))]
        found = {
            whole.run_id: whole
            for whole in wholes
            if whole is not None and not is_open(whole) and first_run_of(whole) in runs
        }
        return list(found.values())

    async def _store(self, histories: Sequence[WorkflowExecution]) -> dict[str, str]:
        """The trail gets what it has not, before a history goes; gives those it cannot get.

        Where nobody seals what it got, the histories go all the same.
        """
        if not histories:
            return {}
        audit = self._parts.audit
        reconciler = Reconciler(self._client, audit.engine, self._parts.engine, audit.rules)
        unstored = await reconciler.store_whole([(one.id, one.run_id) for one in histories])
        going = [one.run_id for one in histories if one.run_id not in unstored]
        self._is_sealed = await wait_until_sealed(audit.engine, going)
        return unstored

    async def _forget(
        self,
        erasure: Erasure,
        selector: MemorySelector,
        histories: Sequence[WorkflowExecution],
        unstored: dict[str, str],
    ) -> None:
        """The memory, then the histories, then the memory again: a worker may have been about to
        hand something over."""
        await self._erasures.note(erasure, {MEMORY: await self._forget_memory(selector)})
        for one in histories:
            if one.run_id not in unstored:
                gone = await delete_execution(self._client, one.id, one.run_id)
                await self._erasures.note(erasure, {HISTORIES: int(gone)})
        await self._erasures.note(erasure, {MEMORY: await self._forget_memory(selector)})

    async def _forget_memory(self, selector: MemorySelector, *, dry_run: bool = False) -> int:
        report = await self._parts.memory.forget(
            selector,
            reason=self._wish.reason,
            requested_by=self._wish.by,
            tenant=self._tenant,
            dry_run=dry_run,
        )
        return report.removed

    async def _dry(
        self, counts: Counter[str], selector: MemorySelector, histories: Sequence[object]
    ) -> Forgotten:
        counts[MEMORY] = await self._forget_memory(selector, dry_run=True)
        counts[HISTORIES] = len(histories)
        return Forgotten(kind=self._wish.kind, dry_run=True, counts=_shown(counts))

    async def _end(
        self,
        erasure: Erasure,
        account_id: str | None,
        unstored: dict[str, str],
        more: Iterable[str],
        subject: Subject | None = None,
    ) -> Forgotten:
        now, reason = datetime.now(UTC), self._reason(subject)
        await self._erasures.end(
            erasure, account_id=account_id, by=self._wish.by, reason=reason, at=now
        )
        left = [*_OF_ALL, *more, *([] if self._is_sealed else [_UNSEALED])]
        if unstored:
            why = next(iter(unstored.values()))
            left.append(
                f"{len(unstored)} histories stay in Temporal, since the trail has not got them"
                f" ({why}): forget again later, or they go {names.RETENTION_DAYS} days after their"
                " end"
            )
        return Forgotten(
            erasure_id=erasure.erasure_id,
            kind=self._wish.kind,
            dry_run=False,
            counts=_shown(erasure.counts),
            cancelled=tuple(self._cancelled),
            not_erased=tuple(left),
        )


def _shown(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts)}


def _held(accounts: Sequence[str]) -> NegativeAnswerError:
    return NegativeAnswerError(
        "; ".join(hold_sentence(account) for account in accounts[:_NAMED]),
        hint="take it out of retention.legal_hold of the policy first",
    )


def _in_the_way(reviews: Sequence[str]) -> ConflictError:
    more = len(reviews) - _NAMED
    listed = ", ".join(reviews[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return ConflictError(
        f"{listed} {'is' if len(reviews) == 1 else 'are'} open, so nothing was erased",
        hint="end with `reviews cancel` first, or forget with --cancel",
    )
