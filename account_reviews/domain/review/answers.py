"""How a review answers a question: from what is known, each sentence with its source. Pure.

Nothing is made up: a sentence stands for a field of a record, a score of the analysis, a decision
or a memory, which it cites in brackets. What is not known is said, and what could be asked instead.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from account_reviews.domain.analysis.evidence import same_moment
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import Evidence, Finding, Severity
from account_reviews.domain.memory import MemoryHit, MemoryKind
from account_reviews.domain.records import Record
from account_reviews.domain.review import known_judgements as judged
from account_reviews.domain.review import known_records as recorded
from account_reviews.domain.review.known_facts import (
    OUR_WORDS,
    Gap,
    Known,
    Line,
    Sentence,
    cite_memory,
    cite_note,
    day,
    of_record,
    remembered,
    shortened,
    spoken,
    words,
)
from account_reviews.domain.review.questions import Asked, Subject, match
from account_reviews.domain.review.steps import ANSWER_CHARACTERS

MOST_CITED: Final = 3
"""Sources of one sentence that are spelled out."""
MOST_SAID: Final = 600
"""Characters of one sentence; names in a CRM have no end."""
MOST_FOUND: Final = 5
"""Records and memories that are shown for the words of a question."""
MOST_FINDINGS: Final = 10
"""That one turn adds."""

TELL: Final[dict[Subject, Callable[[Known], Iterator[Line]]]] = {
    Subject.RISK: judged.tell_risk,
    Subject.HEALTH: judged.tell_health,
    Subject.FINDINGS: judged.tell_findings,
    Subject.CHANGES: judged.tell_changes,
    Subject.PROPOSALS: judged.tell_proposals,
    Subject.DECISIONS: judged.tell_decisions,
    Subject.DEALS: recorded.tell_deals,
    Subject.ACTIVITY: recorded.tell_activity,
    Subject.CONTACTS: recorded.tell_contacts,
    Subject.OWNER: recorded.tell_owner,
    Subject.TASKS: recorded.tell_tasks,
    Subject.CONTRACT: recorded.tell_contract,
    Subject.NOTES: recorded.tell_notes,
    Subject.ACCOUNT: recorded.tell_account,
}


class Answer(NamedTuple):
    """What is said, as lines and as text, and what nobody had found before."""

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]

    @property
    def text(self) -> str:
        """One line per sentence, at most ANSWER_CHARACTERS."""
        spelled, left = list[str](), ANSWER_CHARACTERS - len(_MORE.format(1_000_000)) - 1
        for place, line in enumerate(self.lines):
            one = spell(line)
            if len(one) + 1 > left:
                spelled.append(_MORE.format(len(self.lines) - place))
                break
            spelled.append(one)
            left -= len(one) + 1
        return "\n".join(spelled)


_MORE: Final = "There is more, {} in all; ask for one of them by its name."


def answer(asked: Asked, known: Known) -> Answer:
    """The answer to one question."""
    known = known.model_copy(update={"why": asked.why})
    found = _looked_up(asked, known)
    lines = [line for subject in asked.subjects for line in _about(subject, asked, known)]
    lines += found
    if asked.words and not found and not any(_is_named(line, asked.words) for line in lines):
        lines.append(_unheard_of(asked, known))
    if not asked.subjects and not found:
        lines.append(_WHAT_CAN_BE_ASKED)
    lines += _limits(known)
    told = tuple(dict.fromkeys(lines))  # a sentence once, however many ways led to it
    return Answer(lines=told, findings=new_findings(asked, known))


def spell(line: Line) -> str:
    """A sentence with its sources behind it in brackets."""
    if isinstance(line, Gap):
        return line.text
    cited = [citation(one) for one in dict.fromkeys(line.evidence)]
    more = len(cited) - MOST_CITED
    sources = "; ".join(cited[:MOST_CITED]) + (f"; and {more} more" if more > 0 else "")
    return f"{shortened(line.text, MOST_SAID)} [{sources}]"


def citation(evidence: Evidence) -> str:
    """Record, field, value and time of a cited fact."""
    record = evidence.record
    name = shortened(record.name or record.id or "to be made", 60)
    value = spoken(evidence.value)
    if evidence.before is not None:
        value = f"{spoken(evidence.before)} → {spoken(evidence.after)}"
    at = "" if evidence.at is None else f"{evidence.at:%Y-%m-%d %H:%M} UTC"
    if at and same_moment(evidence.value, evidence.at):
        value, at = at, ""
    told = f"{shortened(words(evidence.field), 60)}: {value}"
    return ", ".join(filter(None, (f"{record.type} {name}", told, at)))


def memory_queries(asked: Asked) -> tuple[tuple[str | None, tuple[MemoryKind, ...]], ...]:
    """What the memory is searched for: words, None for all, and kinds, none for all.

    All words together come first, then each by itself, for a memory may want all of them in one
    item.
    """
    queries: list[tuple[str | None, tuple[MemoryKind, ...]]] = []
    if Subject.DECISIONS in asked.subjects:
        queries.append((None, OUR_WORDS))
    if Subject.NOTES in asked.subjects:
        others = tuple(kind for kind in MemoryKind if kind not in OUR_WORDS)
        queries.append((None, others))
    if asked.words:
        queries.append((" ".join(asked.words), ()))
    if len(asked.words) > 1:
        queries += [(word, ()) for word in asked.words]
    return tuple(queries)


def new_findings(asked: Asked, known: Known) -> tuple[Finding, ...]:
    """What neither the analysis nor an earlier turn had: memories, and facts that are out of date.

    At most MOST_FINDINGS, in the order in which they were found.
    """
    before = (*(known.analysis.findings if known.analysis else ()), *known.findings)
    told = {_key(finding) for finding in before}
    found = dict[object, Finding]()
    for finding in (*_of_memory(asked, known), *_out_of_date(asked, known)):
        if _key(finding) not in told:
            found.setdefault(_key(finding), finding)
    return tuple(found.values())[:MOST_FINDINGS]


def _about(subject: Subject, asked: Asked, known: Known) -> list[Line]:
    """What is known of a subject, of that only what the words name, where they name some of it."""
    lines = list(TELL[subject](known))
    named = [line for line in lines if _is_named(line, asked.words or asked.still)]
    return named or lines


def _is_named(line: Line, words: tuple[str, ...]) -> bool:
    if isinstance(line, Gap):
        return False
    text = " ".join((line.text, *(one.record.name or "" for one in line.evidence)))
    return any(match(word, text) for word in words)


def _looked_up(asked: Asked, known: Known) -> list[Line]:
    """The records, findings, proposals and memories that hold the most of the words."""
    scored: list[tuple[int, int, Line]] = []
    for place, (line, text) in enumerate(_everything(known)):
        score = sum(match(word, text) for word in asked.words)
        if score:
            scored.append((-score, place, line))
    scored.sort(key=lambda one: one[:2])
    best = scored[0][0] if scored else 0
    lines = [line for score, _, line in scored if score == best]
    hits = [remembered(hit) for hit in known.found if _has_any(asked, hit)]
    return [*lines[:MOST_FOUND], *hits[:MOST_FOUND]]


def _has_any(asked: Asked, hit: MemoryHit) -> bool:
    """The memory reads words in its own way; what it holds none of is not shown for them."""
    text = " ".join((hit.title or "", hit.text, *map(str, hit.attributes.values())))
    return any(match(word, text) for word in asked.words)


def _everything(known: Known) -> Iterator[tuple[Line, str]]:
    """All that can be found by a word, each with the text that is searched."""
    for subject in _SEARCHED:
        for line in TELL[subject](known):
            if isinstance(line, Sentence):
                names = (one.record.name or "" for one in line.evidence)
                yield line, " ".join((line.text, *names))
    yield from _written(known)


_SEARCHED: Final = (
    Subject.DEALS,
    Subject.CONTACTS,
    Subject.TASKS,
    Subject.OWNER,
    Subject.ACCOUNT,
    Subject.CONTRACT,
    Subject.PROPOSALS,
    Subject.FINDINGS,
    Subject.CHANGES,
)


def _written(known: Known) -> Iterator[tuple[Line, str]]:
    """What people wrote in the CRM: subjects, descriptions, notes, fields of their own."""
    facts = known.facts
    if facts is None:
        return
    for one in facts.snapshot.activities:
        if one.at <= facts.as_of:
            yield recorded.contact_made(one), f"{one.subject or ''} {one.description or ''}"
    for note in facts.snapshot.notes:
        if not note.private:
            at = f" of {day(note.created_at)}" if note.created_at else ""
            text = f'Note{at}: "{shortened(note.content)}"'
            line = Sentence(text=text, evidence=(cite_note(note),))
            yield line, f"{note.title or ''} {note.content}"
    for name, value in sorted(facts.account.custom.items()):
        evidence = of_record(facts.account, "name", facts)
        cited = evidence.model_copy(update={"field": f"custom.{name}", "value": value})
        line = Sentence(text=f"{words(name)}: {shortened(value)}.", evidence=(cited,))
        yield line, f"{words(name)} {value}"


def _unheard_of(asked: Asked, known: Known) -> Gap:
    quoted = ", ".join(f'"{word}"' for word in asked.words)
    places = "the CRM and the analysis"
    if known.memory is not None:
        places = "the CRM, the analysis and the memory"
    return Gap(text=f"Nothing is known of {quoted}: {places} do not hold it.")


_WHAT_CAN_BE_ASKED: Final = Gap(
    text=f"You can ask about {', '.join(Subject)}; or for a word, as a name in the CRM."
)


def _limits(known: Known) -> Iterator[Gap]:
    """What the answer could not take into account."""
    if known.memory is None:
        yield Gap(text="The memory could not be reached: what was said before is not in this.")
    stale = known.analysis.stale_seconds if known.analysis else None
    if stale is not None and known.snapshot is not None:
        age = timedelta(seconds=stale)
        read = f"{known.snapshot.fetched_at:%Y-%m-%d %H:%M} UTC"
        yield Gap(text=f"The CRM could not be reached: this is as read on {read}, {age} before.")


def _of_memory(asked: Asked, known: Known) -> Iterator[Finding]:
    """What people left in the memory, found for this question and not recalled before."""
    recalled = {hit.id for hit in known.memory or ()}
    for hit in known.found:
        wanted = Subject.NOTES in asked.subjects or _has_any(asked, hit)
        if wanted and hit.id not in recalled and hit.kind not in OUR_WORDS:
            grave = hit.kind in (MemoryKind.RISK, MemoryKind.COMMITMENT)
            yield Finding(
                kind="remembered",
                severity=Severity.MEDIUM if grave else Severity.LOW,
                title=f"From {day(hit.occurred_at)}: {shortened(hit.title or hit.text, 100)}",
                evidence=(cite_memory(hit),),
            )


def _out_of_date(asked: Asked, known: Known) -> Iterator[Finding]:
    """Facts of what was asked about that time has passed over."""
    facts = known.facts
    if facts is None:
        return
    today, account = facts.as_of.date(), facts.account
    if Subject.DEALS in asked.subjects:
        for deal in facts.open_deals:
            if deal.closing_date is not None and deal.closing_date < today:
                title = f"Deal {deal.name} was to close on {deal.closing_date} and is still open"
                yield _stale("closing_date_passed", title, facts, deal, "closing_date")
    if Subject.CONTACTS in asked.subjects:
        for one in facts.snapshot.contacts:
            if one.active is False and (one.is_sponsor or one.accessible):
                title = f"{one.name} has left, and the CRM still counts on this contact"
                yield _stale("contact_left", title, facts, one, "active")
    ended = account.contract_end
    if Subject.CONTRACT in asked.subjects and ended is not None and ended < today:
        title = f"The contract ended on {ended}"
        yield _stale("contract_ended", title, facts, account, "contract_end")


def _stale(kind: str, title: str, facts: Facts, record: Record, field: str) -> Finding:
    return Finding(
        kind=kind,
        severity=Severity.MEDIUM,
        title=title,
        evidence=(of_record(record, field, facts),),
    )


def _key(finding: Finding) -> tuple[object, ...]:
    """Two findings of the same facts are one."""
    return finding.kind, *((one.record.type, one.record.id, one.field) for one in finding.evidence)
