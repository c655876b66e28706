"""Documents for people: what stands in them beside their content, and in whose words."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from account_reviews.bootstrap import Parts
from account_reviews.domain.analysis.model import GRAVE
from account_reviews.domain.errors import UnreachableError
from account_reviews.services.readers import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from account_reviews.domain.records import AccountSnapshot
    from account_reviews.domain.reports.digest import Digest
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.presentation.surroundings import Asked, Past, Surroundings
    from account_reviews.presentation.words import Words
    from account_reviews.store.document_queries import AskedRow, DocumentReader, ScoreRow

EARLIER: Final = 11
"""Reviews before the one that is shown, in the drawing of its scores."""

_log = logging.getLogger(__name__)


class Written(NamedTuple):
    """How a document is written: the words of its reader, and what stands beside it."""

    words: "Words"
    beside: "Surroundings"


async def beside_brief(parts: Parts, state: "ReviewState") -> Written:
    """For the brief of a review. What cannot be read is left out of it."""
    from account_reviews.domain.proposals import ItemState
    from account_reviews.presentation.surroundings import Surroundings, TakenBack

    words = await words_of(parts)
    reader, tenant = _reader(parts), state.tenant
    earlier = await reader.scores(tenant, state.account_id, before=state.started_at, most=EARLIER)
    snapshot = await _snapshot(parts, state)
    return Written(
        _knowing(words, snapshot),
        Surroundings(
            asked=_asked_by(state, await reader.asked(tenant, accounts=(state.account_id,))),
            past=past_in_words(earlier),
            written={key: one.written for key, one in state.written.items()},
            taken_back=tuple(
                TakenBack(at, change)
                for at, undo in await reader.taken_back(tenant, state.account_id, state.started_at)
                for change, became in undo.changes
                if became is ItemState.EXECUTED
            ),
            account=snapshot.account if snapshot else None,
            web_url=parts.settings.pages_url,
        ),
    )


async def beside_cycle(parts: Parts, document: "Mapping[str, Any]") -> Written:
    """For a document of `cycle_document`."""
    from account_reviews.presentation.surroundings import Surroundings

    words, reader = await words_of(parts), _reader(parts)
    lines = [line for brief in document["briefs"] for line in brief["accounts"]]
    grave = [line["account_id"] for line in lines if line["risk_level"] in GRAVE]
    asked = await reader.asked(
        parts.settings.tenant, accounts=[line["account_id"] for line in lines]
    )
    return Written(
        words,
        Surroundings(
            asked=asked_in_words(asked),
            values=await reader.revenue(document["run_id"], grave),
            web_url=parts.settings.pages_url,
        ),
    )


async def beside_digest(parts: Parts, digest: "Digest") -> Written:
    """For a digest."""
    from account_reviews.presentation.surroundings import Surroundings

    requests = [one.request_id for one in digest.waiting]
    asked = await _reader(parts).asked(parts.settings.tenant, requests=requests)
    return Written(
        await words_of(parts),
        Surroundings(asked=asked_in_words(asked), web_url=parts.settings.pages_url),
    )


def _reader(parts: Parts) -> "DocumentReader":
    from account_reviews.store.document_queries import DocumentReader

    return DocumentReader(parts.statements)


async def _snapshot(parts: Parts, state: "ReviewState") -> "AccountSnapshot | None":
    """What the review has read; None where it is gone or cannot be read any more."""
    from pydantic import ValidationError

    from account_reviews.domain.records import AccountSnapshot

    if state.snapshot is None:
        return None
    try:
        body = await parts.reader.document(state.snapshot.hash)
        return None if body is None else AccountSnapshot.model_validate(body)
    except (UnreachableError, ValidationError) as error:
        _log.warning("the snapshot of %s cannot be read: %s", state.review_id, error)
        return None


def _knowing(words: "Words", snapshot: "AccountSnapshot | None") -> "Words":
    """With the names that the snapshot has."""
    if snapshot is None:
        return words
    owners = (snapshot.owner, snapshot.previous_owner, snapshot.manager)
    return replace(words, people={**words.people, **{one.id: one.name for one in owners if one}})


def _asked_by(state: "ReviewState", rows: "Iterable[AskedRow]") -> "tuple[Asked, ...]":
    """Those of this review: the account may have another review by now."""
    mine = {request.request_id for request in state.requests}
    return asked_in_words(row for row in rows if row.request_id in mine)


def past_in_words(rows: "Iterable[ScoreRow]") -> "tuple[Past, ...]":
    """What earlier reviews found, as documents take it."""
    from account_reviews.presentation.surroundings import Past

    return tuple(
        Past(
            at=one.at,
            risk=one.risk_score,
            risk_level=one.risk_level or "unknown",
            health=one.health_score,
            health_band=one.health_band or "unknown",
        )
        for one in rows
    )


def asked_in_words(rows: "Iterable[AskedRow]") -> "tuple[Asked, ...]":
    """Requests as documents take them."""
    from account_reviews.presentation.surroundings import Asked

    return tuple(
        Asked(
            request_id=row.request_id,
            short_id=row.short_id,
            account_id=row.account_id,
            deadline=row.deadline,
            open_items=row.open_items,
            whom=row.approvers,
        )
        for row in rows
    )
