"""What a form of a request says, and what its page shows of it, signed in or by a link."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starlette.datastructures import FormData

from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item
from account_reviews.domain.review.messages import Verdict
from account_reviews.presentation.edit_fields import EditField, edit_fields, edited
from account_reviews.presentation.words import Difference, Words
from account_reviews.services.form_decisions import Form
from account_reviews.services.request_views import ItemView, RequestView, decided_by_others
from account_reviews.web.page_words import decided, without

_SAID: Mapping[str, tuple[str, ...]] = {
    "create_task": ("subject", "due_at", "owner_id"),
    "add_note": ("title",),
}
"""What the sentence of a change that creates something says already."""


class News(StrEnum):
    """Who changed a request while a page of it was open."""

    OWN = "own"
    OTHERS = "others"


@dataclass(frozen=True)
class Typed:
    """What somebody ticked and typed, kept when it could not be done."""

    form_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    items: frozenset[str] = frozenset()
    reason: str = ""
    on_behalf_of: str = ""
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(item id, field) -> as it was typed."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    shown_hash: str | None = None
    verdict: str = ""

    def again(self) -> "Typed":
        """The same for another try, which is another decision."""
        fresh = Typed()
        return Typed(
            form_id=fresh.form_id,
            items=self.items,
            reason=self.reason,
            on_behalf_of=self.on_behalf_of,
            values=self.values,
        )


@dataclass(frozen=True)
class PageItem:
    """One change as the page shows it."""

    view: ItemView
    heading: str
    differences: tuple[Difference, ...]
    fields: tuple[EditField, ...]
    typed: Mapping[str, str]
    ticked: bool
    remark: str | None
    """What it still needs; None where that is one approval, or it is closed."""

    @property
    def is_edited(self) -> bool:
        return any(self.typed.get(one.name, one.value) != one.value for one in self.fields)


def read_typed(form: FormData) -> Typed:
    """What the browser sent."""
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    values, hashes = {}, {}
    for name, value in texts.items():
        kind, _, rest = name.partition(".")
        if kind == "set":
            item_id, _, key = rest.partition(".")
            values[item_id, key] = value
        elif kind == "hash":
            hashes[rest] = value
    ticked = [value for value in form.getlist("item") if isinstance(value, str)]
    return Typed(
        form_id=texts.get("decision_id", ""),
        items=frozenset(ticked),
        reason=texts.get("reason", ""),
        on_behalf_of=texts.get("on_behalf_of", ""),
        values=values,
        hashes=hashes,
        shown_hash=texts.get("shown_hash"),
        verdict=texts.get("verdict", ""),
    )


def form_of(typed: Typed, view: RequestView, words: Words) -> Form:
    """The same as decisions are made from it. BadInputError for a value that does not fit."""
    if typed.verdict not in ("approve", "reject", "defer"):
        raise BadInputError("the form does not say what to decide; use one of its buttons")
    changes: dict[str, Mapping[str, Scalar]] = {}
    order = [one.item.item_id for one in view.items if one.item.item_id in typed.items]
    unknown = typed.items - set(order)
    for one in view.items:
        item_id = one.item.item_id
        if item_id not in typed.items or typed.verdict != "approve":
            continue
        given = {name: value for (item, name), value in typed.values.items() if item == item_id}
        found = edited(_shown(one.item, typed.hashes.get(item_id)), given, words, view.owners)
        if found:
            changes[item_id] = found
    return Form(
        form_id=typed.form_id,
        verdict=Verdict(typed.verdict),
        items=(*order, *sorted(unknown)),
        shown_hash=typed.shown_hash,
        hashes=typed.hashes,
        changes=changes,
        reason=typed.reason,
        on_behalf_of=typed.on_behalf_of or None,
    )


def _shown(item: Item, shown_hash: str | None) -> ProposedChange:
    """The change as the page showed it: an edit may have been applied since."""
    known = (one for one in (item.change, item.original) if one is not None)
    return next((one for one in known if one.hash == shown_hash), item.change)


def page_items(view: RequestView, words: Words, typed: Typed | None) -> list[PageItem]:
    """The changes in order. A single one is ticked: there is nothing to choose."""
    only = sum(one.item.is_open for one in view.items) == 1
    return [_page_item(one, view, words, typed, only=only) for one in view.items]


def heading_of(change: ProposedChange, words: Words) -> str:
    """What a change is called on the page: the record it makes, or its title."""
    return words.change(change) if change.action.creates else change.title


def _page_item(
    one: ItemView, view: RequestView, words: Words, typed: Typed | None, *, only: bool
) -> PageItem:
    item, change = one.item, one.item.change
    shown = view.state.told(change) if view.state else change
    said = {words.field(name) for name in _SAID.get(str(change.action), ())}
    rows = [row for row in words.differences(shown) if row.label not in said]
    values = typed.values if typed else {}
    return PageItem(
        view=one,
        heading=heading_of(shown, words),
        differences=tuple(rows),
        fields=tuple(edit_fields(change, words, view.owners)) if item.is_open else (),
        typed={name: value for (item_id, name), value in values.items() if item_id == item.item_id},
        ticked=item.item_id in typed.items if typed else only,
        remark=_remark(view, one),
    )


def _remark(view: RequestView, one: ItemView) -> str | None:
    from account_reviews.domain.review import ballots

    item, request = one.item, view.request
    if not item.is_open or request.needs is None:
        return None
    found = ballots.remark(item, request.rules(item), request.needs)
    return None if found == "needs 1 more approval" and not item.approvals else found


def told_items(view: RequestView, words: Words, typed: Typed, name: str) -> Iterator[str]:
    """Who decided what on what was ticked, before `name` came: a sentence each."""
    for item in decided_by_others(view.request, typed.items, name):
        heading = without(heading_of(item.change, words), view.account_name)
        yield f"{heading}: {decided(item, words)}"


def context_of(view: RequestView, words: Words, typed: Typed | None) -> dict[str, Any]:
    """What every page of a request is given."""
    request, analysis = view.request, view.analysis
    kept = typed or Typed()
    items = page_items(view, words, typed)
    return {
        "view": view,
        "asked": request,
        "analysis": analysis,
        "account": words.account(view.account_name, request.account_id),
        "items": items,
        "open_items": [one for one in items if one.view.item.is_open],
        "typed": kept,
        "mark": mark_of(request),
    }


def mark_of(request: ApprovalRequest) -> str:
    """Differs when somebody has decided, or the request is another: open pages look for it.

    What becomes of an approved change is no news; the page follows that by itself.
    """
    states = "".join("o" if one.is_open else "x" for one in request.items)
    return f"{len(request.decisions)}-{request.state}-{states}-{request.shown_hash[:12]}"


def news_of(request: ApprovalRequest, seen: str, name: str) -> News | None:
    """Who has changed a request since a page had the mark `seen`; `name` reads that page."""
    if mark_of(request) == seen:
        return None
    count = seen.partition("-")[0]
    since = request.decisions[int(count) :] if count.isdecimal() and len(count) < 6 else ()
    is_own = bool(since) and all(one.by == name for one in since)
    return News.OWN if is_own else News.OTHERS
