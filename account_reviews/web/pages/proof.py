"""The audit of one review: what the trail holds of it, and whether that is whole and unaltered."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from account_reviews.audit.archive.reader import AuditReader, Filters
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.audit.events import BUSINESS
from account_reviews.domain.errors import NotFoundError, UnreachableError
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.audit_words import happened
from account_reviews.presentation.proof_words import fault_sentence
from account_reviews.presentation.words import Words
from account_reviews.services.audit_proofs import known_keys, verify
from account_reviews.services.lookup import short_ids
from account_reviews.services.reviews import find_review
from account_reviews.web.csv_files import csv_answer
from account_reviews.web.identity import Who
from account_reviews.web.places import account_path, review_path
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
Run = Annotated[str | None, Query(max_length=200)]
PAGE: Final = 200
_CHECK_SECONDS: Final = 60.0
_FINDINGS: Final = 20
_WORKER: Final = re.compile(r"\d+@\S+")


@router.get("/reviews/{review:path}/audit")
async def page(
    request: Request,
    who: Who,
    site: Here,
    review: str,
    run: Run = None,
    every: Annotated[str, Query(max_length=5)] = "",
    check: Annotated[str, Query(max_length=5)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Rows in sentences, oldest of a page last. `every`: those of the machinery, too. `check`:
    hold them against seals, history and tables now."""
    await site.allow(who, Verb.AUDIT)
    state = (await find_review(site.parts, review, run)).state
    words = await site.words(request, who)
    wanted = Filters(
        tenant=state.tenant,
        review_id=state.review_id,
        types=() if every else tuple(sorted(BUSINESS)),
    )
    found = await AuditReader(site.parts.audit.statements).page(wanted, limit=PAGE, cursor=cursor)
    return await site.page(
        request,
        who,
        "proof.html.j2",
        rows=[_shown(one, words) for one in found.items],
        next_cursor=found.next_cursor,
        every=every,
        proof=await _proof(site, state, words) if check else None,
        name=words.account(
            state.snapshot.account_name if state.snapshot else None, state.account_id
        ),
        account_path=account_path(state.account_id),
        path=review_path(state.review_id, state.run_id, "audit"),
        csv_path=review_path(state.review_id, state.run_id, "audit.csv"),
        review_path=review_path(state.review_id, state.run_id),
    )


@router.get("/reviews/{review:path}/audit.csv")
async def as_csv(request: Request, who: Who, site: Here, review: str, run: Run = None) -> Response:
    """The newest thousand rows for a spreadsheet."""
    await site.allow(who, Verb.AUDIT)
    state = (await find_review(site.parts, review, run)).state
    words = await site.words(request, who)
    wanted = Filters(tenant=state.tenant, review_id=state.review_id)
    found = await AuditReader(site.parts.audit.statements).page(wanted, limit=1000)
    columns = ("When", "What", "Who", "Severity", "Source", "Row")
    return csv_answer(
        "audit",
        columns,
        (
            (one["at"], happened(one, words), one["actor"], one["severity"], one["source"],
             one["event_id"])
            for one in found.items
        ),
    )  # fmt: skip


def _shown(row: dict[str, Any], words: Words) -> dict[str, Any]:
    return {
        "when": words.moment(datetime.fromisoformat(row["at"])),
        "what": happened(row, words),
        "who": _who(row["actor"], words),
        "severity": row["severity"],
    }


def _who(actor: str, words: Words) -> str:
    """A person; a worker signs as its process and its machine."""
    if _WORKER.fullmatch(actor):
        return "a worker"
    return "the program" if actor == "system" else words.person(actor)


async def _proof(site: Site, state: ReviewState, words: Words) -> dict[str, Any]:
    """What a check finds, as `reviews audit verify --review` says it."""
    keys = known_keys(site.parts.settings)
    client = await site.temporal_if_there()
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            report = await verify(site.parts, client, keys, review_id=state.review_id)
    except NotFoundError as error:
        return {"ok": False, "failed": error.message}
    except TimeoutError:
        raise UnreachableError(
            f"the check took longer than {_CHECK_SECONDS:.0f} s",
            hint="`reviews audit verify --review` takes its time",
        ) from None
    document = report.document()
    names = ("differing", "missing", "extra", "bad_seals", "guards")
    faults = [fault for name in names for fault in document[name]]
    said = await short_ids(site.parts, state)
    told = [fault_sentence(one, state, words, said) for one in faults]
    return {**document, "failed": None, "faults": told[:_FINDINGS], "more": len(told) - _FINDINGS}
