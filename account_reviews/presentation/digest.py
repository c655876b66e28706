"""A digest as Markdown, HTML, plain text, JSON or mail. What comes from a CRM is always escaped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Final

from account_reviews.domain.canonical import plain
from account_reviews.domain.reports.digest import (
    ClosedReview,
    DecidedChange,
    Digest,
    LookFirst,
    WaitingRequest,
)
from account_reviews.presentation.brief_view import Gauge, capital, score_of
from account_reviews.presentation.claims import Claim, Source, Teller
from account_reviews.presentation.mail import Mail, mail_of, written
from account_reviews.presentation.owner_view import owner_title
from account_reviews.presentation.surroundings import ALONE, Asked, Decide, Surroundings, decide
from account_reviews.presentation.templating import form_of, render
from account_reviews.presentation.words import Words

ORDER: Final = (
    "The highest priority first: risk makes most of it; changes, open deals and contact count too."
)
"""Of the accounts to look at first."""


@dataclass(frozen=True, slots=True)
class Look:
    """An account to look at, with the reasons."""

    name: str
    account_id: str
    risk: Gauge
    priority: str
    """By which they are ordered."""
    why: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """What the owner is asked, with the titles of it."""

    name: str
    account_id: str
    decide: Decide
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one change: its state, and the rest of the sentence."""

    tone: str
    state: str
    text: str
    wrong: bool
    """The CRM does not show what was approved."""
    source: Source


@dataclass(frozen=True, slots=True)
class Closed:
    name: str
    account_id: str
    tone: str
    outcome: str
    changes: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class DigestView:
    title: str
    owner: str
    summary: str
    since: str
    nothing_new: bool
    first: tuple[Look, ...]
    order: str
    changed: tuple[tuple[str, str, tuple[Claim, ...]], ...]
    """Account, its id, what changed."""
    waiting: tuple[Waits, ...]
    decided: tuple[Closed, ...]
    unreadable: tuple[tuple[str, str], ...]


def render_digest(
    digest: Digest, form: str, words: Words | None = None, beside: Surroundings = ALONE
) -> str:
    """A digest as `md` (or `markdown`), `html`, `text`, `mail` or `json`.

    Without news Markdown is one line. HTML is one page without scripts. Without `words` it is
    written for a reader of that day, in English and UTC.
    """
    if form == "json":
        return json.dumps(plain(digest), indent=2, ensure_ascii=False)
    words = words or _words_of(digest)
    if form == "mail":
        return written(digest_mail(digest, words, beside))
    view = digest_view(digest, words, beside)
    return render("digest", form_of(form), digest=view, words=words).rstrip("\n")


def digest_mail(digest: Digest, words: Words, beside: Surroundings = ALONE) -> Mail:
    """The digest as a mail."""
    view = digest_view(digest, words, beside)
    news = "nothing new" if digest.nothing_new else view.summary.rstrip(".")
    subject = f"Account reviews, {words.day(digest.day)}: {news}"
    return mail_of("digest", subject, digest=view, words=words)


def digest_view(digest: Digest, words: Words, beside: Surroundings) -> DigestView:
    """The digest for one reader."""
    if digest.owner_name:
        words = replace(words, people={**words.people, digest.owner_id: digest.owner_name})
    owner, tell = owner_title(digest, words), Teller(words)
    nothing = f"Nothing new for {owner} on {words.day(digest.day)}."
    return DigestView(
        title=f"{owner}, {words.day(digest.day)}",
        owner=owner,
        summary=nothing if digest.nothing_new else capital(digest.summary),
        since=f"Since {words.when(digest.since)}",
        nothing_new=digest.nothing_new,
        first=tuple(_look(one, tell) for one in digest.first_accounts),
        order=ORDER,
        changed=tuple(
            (
                one.account_name,
                one.account_id,
                tuple(tell.change(change, change.old, change.new) for change in one.changes),
            )
            for one in digest.changed
        ),
        waiting=tuple(_waits(one, digest, words, beside) for one in digest.waiting),
        decided=tuple(_closed(one, tell) for one in digest.decided),
        unreadable=tuple((one.account_name, one.account_id) for one in digest.unreadable),
    )


def _words_of(digest: Digest) -> Words:
    """For a reader at noon of that day."""
    return Words(now=datetime.combine(digest.day, time(12), UTC))


def _look(one: LookFirst, tell: Teller) -> Look:
    words = tell.words
    return Look(
        name=one.account_name,
        account_id=one.account_id,
        risk=Gauge(
            "Risk",
            one.risk_level,
            words.term(one.risk_level),
            score_of(one.risk),
            tell.risk_before(one.risk, one.previous_risk),
        ),
        priority=f"priority {one.priority_score} of 100",
        why=tuple(
            Claim(capital(tell.prose(why.text)), tell.sources(why.evidence)) for why in one.why
        ),
    )


def _waits(one: WaitingRequest, digest: Digest, words: Words, beside: Surroundings) -> Waits:
    known = beside.of_request(one.request_id)
    asked = Asked(
        request_id=one.request_id,
        short_id=known.short_id if known else None,
        account_id=one.account_id,
        deadline=one.deadline,
        open_items=len(one.items),
        whom=(digest.owner_id,),
    )
    found, link = decide(asked, words, beside.web_url), beside.links.get(one.request_id)
    return Waits(
        name=one.account_name,
        account_id=one.account_id,
        decide=replace(found, url=link) if link else found,
        titles=one.items,
    )


def _closed(one: ClosedReview, tell: Teller) -> Closed:
    return Closed(
        name=one.account_name,
        account_id=one.account_id,
        tone=one.outcome,
        outcome=tell.words.term(one.outcome),
        changes=tuple(_done(change, tell) for change in one.changes),
    )


def _done(change: DecidedChange, tell: Teller) -> Done:
    words = tell.words
    return Done(
        tone=change.state,
        state=words.term(change.state),
        text="; ".join(_told(change, words)),
        wrong=change.verified is False,
        source=Source(tell.record(change.record), change.record.url, None, None, None),
    )


def _told(change: DecidedChange, words: Words) -> Iterator[str]:
    yield change.title
    if change.verified:
        yield "the CRM shows it"
    if change.verified is False:
        yield "the CRM does not show what was approved"
    if change.by:
        yield f"decided by {words.person(change.by)}"
    if change.reason:
        yield change.reason
