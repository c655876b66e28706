"""What a review knows when it is asked, in sentences, each with the evidence behind it."""

from collections.abc import Iterable
from typing import Final

from account_reviews.domain.analysis.evidence import ref, scalar
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import Analysis, Evidence, Finding, PriorOutcome
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.memory import MemoryHit, MemoryKind
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot, Note, Record, RecordRef, RecordType
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.vocabulary import term_of
from account_reviews.domain.words import beginning

SHOWN_TEXT: Final = 160
"""Characters of what somebody wrote, in a sentence."""
OUR_WORDS: Final = (MemoryKind.DECISION, MemoryKind.REVIEW)
"""Memories that reviews left behind; the others are of people."""


class Known(Model):
    """All that an answer may come from. None is what could not be had."""

    snapshot: AccountSnapshot | None
    analysis: Analysis | None
    memory: tuple[MemoryHit, ...] | None
    """What the review recalled."""
    found: tuple[MemoryHit, ...] = ()
    """What the memory holds on this question, best first."""
    requests: tuple[ApprovalRequest, ...] = ()
    """Of this review."""
    prior: tuple[PriorOutcome, ...] = ()
    """How what earlier reviews proposed ended."""
    findings: tuple[Finding, ...] = ()
    """What earlier turns added."""
    as_of: Timestamp
    policy: Policy
    why: bool = False
    """Reasons are wanted, not only what stands."""

    @property
    def facts(self) -> Facts | None:
        """What the rules count, None before the CRM was read."""
        snapshot = self.snapshot
        return None if snapshot is None else Facts(snapshot, self.as_of, self.policy)

    def record(self, kind: RecordType, record_id: str | None) -> Record | None:
        """A record of the snapshot."""
        now = self.snapshot
        if now is None:
            return None
        every: dict[RecordType, tuple[Record | None, ...]] = {
            RecordType.ACCOUNT: (now.account,),
            RecordType.OWNER: (now.owner, now.previous_owner, now.manager),
            RecordType.CONTACT: now.contacts,
            RecordType.DEAL: now.deals,
            RecordType.ACTIVITY: now.activities,
            RecordType.TASK: now.tasks,
        }
        found = (one for one in every.get(kind, ()) if one is not None and one.id == record_id)
        return next(found, None)

    def dated(self, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        """What has no time of its own is as it was read."""
        at = self.snapshot.fetched_at if self.snapshot else self.as_of
        return tuple(
            one if one.at is not None else one.model_copy(update={"at": at}) for one in evidence
        )


class Sentence(Model):
    """Something known, and why: at least one fact is cited."""

    text: str
    evidence: tuple[Evidence, ...]


class Gap(Model):
    """Something that is not known."""

    text: str


Line = Sentence | Gap

NOT_READ: Final = Gap(text="The account has not been read from the CRM yet.")
NOT_ANALYSED: Final = Gap(text="The account has not been analysed yet.")


def remembered(hit: MemoryHit) -> Sentence:
    """One memory as a sentence, in its own words."""
    said = f"{hit.title}: {hit.text}" if hit.title else hit.text
    text = f'Remembered on {day(hit.occurred_at)} ({hit.kind}): "{shortened(said)}"'
    return Sentence(text=text, evidence=(cite_memory(hit),))


def cite_memory(hit: MemoryHit) -> Evidence:
    """A memory, as health cites it, with its words."""
    record = RecordRef(type=RecordType.NOTE, id=hit.id, name=hit.title, url=hit.source.url)
    return Evidence(record=record, field="memory", value=shortened(hit.text), at=hit.occurred_at)


def cite_note(note: Note) -> Evidence:
    """What somebody wrote in the CRM."""
    record = RecordRef(
        type=RecordType.NOTE, id=note.id, name=note.title, version=note.version, url=note.url
    )
    return Evidence(
        record=record, field="content", value=shortened(note.content), at=note.created_at
    )


def shortened(text: str, most: int = SHOWN_TEXT) -> str:
    """On one line, and its beginning when it is long."""
    return beginning(" ".join(text.split()), most)


def day(at: Timestamp) -> str:
    return f"{at:%Y-%m-%d}"


def words(name: str) -> str:
    """A word of the program, or the name of a field, for people."""
    return term_of(name)


def of_record(record: Record, field: str, facts: Facts) -> Evidence:
    """A field as it was read."""
    value = scalar(getattr(record, field))
    return Evidence(record=ref(record), field=field, value=value, at=facts.snapshot.fetched_at)


def of_analysis(analysis: Analysis, field: str, value: Scalar) -> Evidence:
    """What the rules say of the account."""
    record = RecordRef(type=RecordType.ACCOUNT, id=analysis.account_id, name=analysis.account_name)
    return Evidence(record=record, field=field, value=value, at=analysis.as_of)


def cut_short(facts: Facts, module: RecordType, shown: int) -> Iterable[Gap]:
    """A snapshot holds the newest records of an account: how many more there are."""
    total = facts.snapshot.totals.get(module, shown)
    if total > shown:
        yield Gap(text=f"The CRM holds {total}; the newest {shown} were read.")


def read_on(facts: Facts) -> str:
    return f"as read on {day(facts.snapshot.fetched_at)}"


def spoken(value: Scalar) -> str:
    """A field's value for people."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return shortened(str(value))


def listed(names: Iterable[str]) -> str:
    return ", ".join(words(name) for name in names)
