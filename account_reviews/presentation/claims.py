"""What a document claims, and where it has that from: a claim is a sentence and its sources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from account_reviews.domain.analysis.evidence import same_moment
from account_reviews.domain.analysis.model import (
    DetectedChange,
    Evidence,
    Finding,
    PreviousRisk,
    Reference,
)
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.records import RecordRef
from account_reviews.presentation.words import Words

SOURCES: Final = 3
"""Sources that stand beside a claim; the others are folded up."""
_TOLD_BY_FINDING: Final = ("inactivity_threshold", "deal_stalled", "owner_change")
_NO_VALUES: Final = ("id", "version")
"""Fields whose value is for programs: that there is the record is what they say."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a claim comes from, in words. `when` is None where nobody knows it."""

    record: str
    url: str | None
    field: str | None
    value: str | None
    when: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence. `points` with their sign, where it counts; `tone` is a word of a badge."""

    text: str
    sources: tuple[Source, ...] = ()
    points: str | None = None
    tone: str | None = None
    pressing: bool = False
    """It needs attention."""

    @property
    def near(self) -> tuple[Source, ...]:
        return self.sources[:SOURCES]

    @property
    def more(self) -> tuple[Source, ...]:
        return self.sources[SOURCES:]


class Changed(Protocol):
    """A change of the CRM, as it was detected, or as a brief of an owner holds it."""

    @property
    def type(self) -> str: ...

    @property
    def record(self) -> RecordRef: ...

    @property
    def field(self) -> str: ...

    @property
    def at(self) -> Timestamp | None: ...


class Teller:
    """Makes claims for one reader."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def record(self, record: RecordRef) -> str:
        """ "Deal Route Planner"."""
        kind = self.words.field(record.type)
        return f"{kind} {record.name or record.id or ''}".strip()

    def evidence(self, one: Evidence) -> Source:
        """A cited field: its value, or how it changed."""
        value = one.value if one.before is None else None
        told = self._moved(one.field, one.before, one.after) if value is None else None
        return self._source(
            one.record, one.field, one.at, told or self._value(one.field, value), value
        )

    def change_source(self, change: Changed, old: Scalar, new: Scalar) -> Source:
        """The record and field that changed, as they are now."""
        return self._source(
            change.record, change.field, change.at, self._moved(change.field, old, new), new
        )

    def sources(self, evidence: Iterable[Evidence]) -> tuple[Source, ...]:
        """Each source once."""
        return tuple(dict.fromkeys(self.evidence(one) for one in evidence))

    def change(
        self, change: Changed, old: Scalar, new: Scalar, findings: Sequence[Finding] = ()
    ) -> Claim:
        """A change of the CRM as what it did."""
        found = _finding_of(change, findings)
        if found is not None:
            text = self.prose(found.title)
        else:
            text = self.words.told(
                DetectedChange(
                    type=change.type,
                    record=change.record,
                    field=change.field,
                    before=old,
                    after=new,
                    at=change.at,
                )
            )
        return Claim(
            text=text,
            sources=(self.change_source(change, old, new),),
            pressing=bool(getattr(change, "requires_attention", False)),
        )

    def detected(self, change: DetectedChange, findings: Sequence[Finding] = ()) -> Claim:
        """A detected change as what it did."""
        return self.change(change, change.before, change.after, findings)

    def finding(self, finding: Finding) -> Claim:
        return Claim(
            text=self.prose(finding.title),
            sources=self.sources(finding.evidence),
            tone=finding.severity,
            pressing=finding.requires_attention,
        )

    def references(
        self,
        references: Iterable[Reference],
        known: Iterable[Evidence],
        records: Iterable[RecordRef] = (),
    ) -> tuple[Source, ...]:
        """What a recommendation rests on; where it does not keep what was seen, `known` says it.

        `records` are called by their names, also where no value of them is known.
        """
        cited = {(one.record.type.value, one.record.id, one.field): one for one in known}
        named = {(one.type.value, one.id): one for one in records}
        named |= {(kind, key): one.record for (kind, key, _), one in cited.items()}
        found = []
        for one in references:
            evidence = one.evidence or cited.get((one.entity_type, one.entity_id, one.field or ""))
            record = named.get((one.entity_type, one.entity_id))
            found.append(self.evidence(evidence) if evidence else self._reference(one, record))
        return tuple(dict.fromkeys(found))

    def risk_before(self, score: int | None, before: PreviousRisk | None) -> str | None:
        """ "up from 20", "down from 80", "as before"; None without an earlier one."""
        if before is None:
            return None
        if before.score is None or score is None:
            return f"{self.words.term(before.level)} before"
        return moved_score(score, before.score)

    def prose(self, text: str) -> str:
        """A sentence of the rules, with its times and sums as people write them."""
        return self.words.prose(text)

    def _source(
        self, record: RecordRef, name: str, at: datetime | None, told: str, value: Scalar
    ) -> Source:
        when = None if at is None else self.words.when(at)
        if when is not None and same_moment(value, at):
            when = None  # the value is that time
        plain = name in _NO_VALUES
        return Source(
            record=self.record(record),
            url=record.url,
            field=None if plain else self.words.field(name),
            value=None if plain else told,
            when=when,
        )

    def _reference(self, one: Reference, record: RecordRef | None) -> Source:
        kind = self.words.field(one.entity_type)
        return Source(
            record=self.record(record) if record else f"{kind} {one.entity_id or ''}".strip(),
            url=record.url if record else None,
            field=self.words.field(one.field) if one.field else None,
            value=None,
            when=None if one.timestamp is None else self.words.when(one.timestamp),
        )

    def _value(self, name: str, value: Scalar) -> str:
        return self.words.value(name.removeprefix("custom."), value)

    def _moved(self, name: str, old: Scalar, new: Scalar) -> str:
        return self.words.moved(name.removeprefix("custom."), old, new)


def moved_score(now: int, before: int) -> str:
    """ "up from 20", "down from 80", "as before"."""
    if now == before:
        return "as before"
    return f"{'up' if now > before else 'down'} from {before}"


def _finding_of(change: Changed, findings: Sequence[Finding]) -> Finding | None:
    if change.type not in _TOLD_BY_FINDING:
        return None
    return next(
        (
            one
            for one in findings
            if one.kind == change.type
            and any(cited.record.id == change.record.id for cited in one.evidence)
        ),
        None,
    )
