"""What `cycles show` shows: keys are a contract, see docs/design.md."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from account_reviews.domain.canonical import plain
from account_reviews.domain.reports.owner_brief import OwnerBrief
from account_reviews.domain.reports.portfolio import PORTFOLIO_KEYS
from account_reviews.presentation.mail import written
from account_reviews.presentation.portfolio import Page, cycle_mail, cycle_view, render_page
from account_reviews.presentation.surroundings import ALONE, Surroundings
from account_reviews.presentation.words import Words
from account_reviews.store.cycle_queries import CycleRow

_FIRST: Final = (
    "cycle_id", "kind", "status", "reason", "accounts", "done", "running", "waiting", "failed",
    "joined", "started_at", "closed_at",
)  # fmt: skip


def cycle_document(
    row: CycleRow, briefs: Sequence[Mapping[str, Any]], portfolio: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One cycle as JSON values. `portfolio` is None while its results are not made."""
    values = cast("dict[str, Any]", plain(row))
    ordered = {name: values.pop(name) for name in _FIRST}
    return {
        **ordered,
        **values,
        "degraded": bool(row.missing_sources) or bool(portfolio and portfolio["degraded"]),
        "briefs": [_in_order(brief, _BRIEF_KEYS) for brief in briefs],
        "portfolio": _in_order(portfolio, PORTFOLIO_KEYS) if portfolio else None,
    }


def render_cycle(
    document: Mapping[str, Any],
    form: str,
    words: Words | None = None,
    beside: Surroundings = ALONE,
) -> str:
    """A document of `cycle_document` as `md` (or `markdown`), `html`, `text`, `mail` or `json`.

    Without `words` it is written for a reader of the moment of the cycle, in English and UTC.
    """
    if form == "json":
        return json.dumps(plain(document), indent=2, ensure_ascii=False)
    words = words or Words(now=moment_of(document))
    if form == "mail":
        return written(cycle_mail(*_made(document), words, beside))
    return render_page(*_made(document), form, words, beside)


def cycle_page(document: Mapping[str, Any], words: Words, beside: Surroundings) -> Page:
    """The same for a page that has a frame of its own."""
    return cycle_view(*_made(document), words, beside)


def _made(
    document: Mapping[str, Any],
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None, list[OwnerBrief]]:
    briefs = [OwnerBrief.model_validate(brief) for brief in document["briefs"]]
    return document, document["portfolio"], briefs


def moment_of(document: Mapping[str, Any]) -> datetime:
    """The clock of its rules."""
    at = document["as_of"]
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


_BRIEF_KEYS: Final = tuple(OwnerBrief.model_fields)


def _in_order(stored: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The database sorts keys by length; people read them in the order of the model."""
    ordered = {name: stored[name] for name in keys if name in stored}
    return ordered | {name: value for name, value in stored.items() if name not in ordered}
