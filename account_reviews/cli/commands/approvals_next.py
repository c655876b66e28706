"""`reviews approvals next`: one request after the other, item by item, until none is left."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from account_reviews.cli.answers import Answers
from account_reviews.cli.commands.approvals_look import analysis_of
from account_reviews.cli.output import Format, print_json
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio.client import Client

    from account_reviews.bootstrap import Parts
    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.base import Scalar
    from account_reviews.domain.review.approvals import Item
    from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
    from account_reviews.presentation.words import Words
    from account_reviews.store.review_queries import RequestRow

_CHOICES: Final = {
    "a": "approve", "j": "adjust", "r": "reject", "d": "defer", "s": "skip", "l": "all",
    "q": "quit",
}  # fmt: skip
_QUESTION: Final = "(a)pprove ad(j)ust (r)eject (d)efer (s)kip a(l)l (q)uit:"
_OF_ALL: Final = "all {count} items: (a)pprove (r)eject (d)efer (s)kip, Enter goes back:"
_NOTHING: Final = "-"
"""Is typed for no value at all."""
_UNDER_WAY_SECONDS: Final = 3.0
"""How long Ctrl-C waits for the answer to what is on its way."""


_FOLLOWS_TRIES: Final = 20
_FOLLOWS_PAUSE: Final = 0.1
"""Seconds between looks for what somebody else decided: its row follows."""


class _QuitError(Exception):
    """The person goes, or the input has ended."""


async def go_through(who: str, output: Format) -> int:
    """Show what waits, most urgent first, and ask. The exit code."""
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.review.bounds import clean_name, person
    from account_reviews.services.readers import words_of

    if not person(who):
        raise BadInputError("--as is blank; say who decides")
    async with open_session() as parts:
        words = await words_of(parts)
        tour = _Tour(parts, await temporal(parts), clean_name(who), output, words)
        try:
            await tour.go()
            tour.end("nothing is left to decide")
        except _QuitError:
            tour.end("stopped")
        except asyncio.CancelledError:
            tour.end("stopped by Ctrl-C")
            raise
        except Exception:
            tour.end("stopped by an error")
            raise
    return 1 if any(row["ok"] is False for row in tour.rows) else 0


class _Tour:
    """What one person sees and says. `rows` is what was done, in order.

    For programs all that is said goes to standard error, and the rows are one document.
    """

    def __init__(
        self, parts: "Parts", client: "Client", who: str, output: Format, words: "Words"
    ) -> None:
        self._words = words
        self._parts = parts
        self._client = client
        self._who = who
        self._called: Sequence[str] = ()
        self._output = output
        self._line = note if output is Format.JSON else say
        self._answers = Answers(err=output is Format.JSON)
        self._seen: set[str] = set()
        self._left: dict[tuple[str, str], str] = {}
        """Items that were shown and are not decided."""
        self.rows: list[dict[str, Any]] = []

    async def go(self) -> None:
        """Until every request was shown. What comes meanwhile is shown too."""
        from account_reviews.domain.errors import NotFoundError

        while (request_id := await self._most_urgent()) is not None:
            self._seen.add(request_id)
            with suppress(NotFoundError):
                row = await self._read(request_id)
                if row.request.is_pending:
                    await self._visit(row)

    def end(self, how: str) -> None:
        """What was done, and what was not."""
        self._say("")
        made = sum(row["ok"] is not False for row in self.rows)
        self._say(f"{how}; {made} decision{'' if made == 1 else 's'} made")
        for row in self.rows:
            result = self._words.term(row["state"])
            if row["ok"] is False:
                result = f"refused: {row['message']}"
            account = self._words.account(row["account_name"], row["account_id"])
            self._say(f"{account}: {row['decision']} {row['title']!r}: {result}", "  ")
        if self._left:
            self._say("shown and not decided:")
            for title in self._left.values():
                self._say(title, "  ")
        if self._output is Format.JSON:
            print_json({"items": self.rows})

    async def _most_urgent(self) -> str | None:
        from account_reviews.domain.review.urgency import in_order

        waiting = await self._parts.reader.waiting_in_line(self._parts.settings.tenant)
        fresh = [one for one in waiting if one.request_id not in self._seen]
        if not fresh:
            return None
        count = f"{len(fresh)} request{'' if len(fresh) == 1 else 's'} to look at"
        self._say("")
        self._say(f"---- {count}, the most urgent one first ----")
        return in_order(fresh, await self._names())[0].request_id

    async def _names(self) -> "Sequence[str]":
        """As whom requests may ask for him."""
        from account_reviews.services.inbox import seats_of

        if not self._called:
            self._called = (await seats_of(self._parts, self._who)).mine
        return self._called

    async def _read(self, request_id: str) -> "RequestRow":
        return await self._parts.reader.find_request(self._parts.settings.tenant, request_id)

    async def _visit(self, row: "RequestRow") -> None:
        from account_reviews.domain.review.past_decisions import past_decisions
        from account_reviews.presentation.approval_page import past_lines, request_lines

        analysis = await analysis_of(self._parts, row)
        words = self._words = replace(self._words, now=datetime.now(UTC))
        lines = request_lines(
            row.request, analysis, words, name=row.account_name, short_id=row.short_id
        )
        earlier = await self._parts.reader.past_requests(
            self._parts.settings.tenant, row.request.account_id, row.request.requested_at
        )
        self._print([*lines, *past_lines(past_decisions(earlier), words)])
        names = [item.item_id for item in row.request.items if item.is_open]
        for place, item_id in enumerate(names, 1):
            while True:
                row = await self._read(row.request.request_id)
                item = next(one for one in row.request.items if one.item_id == item_id)
                if not item.is_open:
                    self._told(row, item)
                    break
                self._show(row, item, place, len(names), analysis)
                choice = await self._choose()
                if choice == "all":
                    rest = list(enumerate(names, 1))[place - 1 :]
                    if await self._decide_rest(row, rest, analysis):
                        return
                elif choice == "skip" or await self._decide(row, item, choice):
                    break

    def _show(
        self,
        row: "RequestRow",
        item: "Item",
        place: int,
        count: int,
        analysis: "Analysis | None",
    ) -> None:
        from account_reviews.presentation.approval_page import item_lines

        self._say("")
        self._print(item_lines(item, place, count, self._words, analysis))
        key = row.request.request_id, item.item_id
        self._left[key] = f"{self._account(row)}: {item.change.title}"

    def _account(self, row: "RequestRow") -> str:
        return self._words.account(row.account_name, row.request.account_id)

    async def _choose(self) -> str:
        while True:
            given = (await self._ask(_QUESTION)).lower()
            choice = _CHOICES.get(given, given)
            if choice == "quit":
                raise _QuitError
            if choice in _CHOICES.values():
                return choice
            self._say("type one of the letters in brackets, then Enter")

    async def _ask(self, question: str) -> str:
        answer = await self._answers.ask(question)
        if answer is None:
            self._say("")
            self._say("the input has ended")
            raise _QuitError
        return answer

    async def _decide(self, row: "RequestRow", item: "Item", choice: str) -> bool:
        """Ask what the decision needs and send it. False: the item is shown again."""
        changes: dict[str, Scalar] = {}
        reason = None
        if choice == "adjust":
            changes = await self._values(item)
            if not changes:
                self._say("nothing was changed")
                return False
        if choice != "approve":
            reason = await self._reason(row, choice)
            if reason is None:
                return False
        return await self._send(row, item, choice, changes, reason or None)

    async def _values(self, item: "Item") -> "dict[str, Scalar]":
        """New values, field by field; what the field does not take is asked again."""
        from account_reviews.cli.parsing import parse_settings
        from account_reviews.domain.errors import BadInputError
        from account_reviews.presentation.edit_fields import typed

        words = self._words
        self._say(f"new values, field by field: Enter keeps what is there, {_NOTHING} empties it")
        found: dict[str, Scalar] = {}
        for name, now in item.change.shown.items():
            while True:
                given = await self._ask(f"{words.field(name)} ({_now(name, now, words)}):")
                if not given:
                    break
                one = {name: None} if given == _NOTHING else parse_settings([f"{name}={given}"])
                try:
                    found |= typed(item.change, one, words, words.people)
                    break
                except BadInputError as error:
                    self._say(error.message)
        return {name: value for name, value in found.items() if value != item.change.after[name]}

    async def _reason(self, row: "RequestRow", choice: str) -> str | None:
        """What is typed, nothing where that will do; None: not given where it must be."""
        needed = choice == "reject" and row.request.terms.reason_required_on_reject
        given = await self._ask("reason:" if needed else "reason (Enter for none):")
        if given or not needed:
            return given
        self._say("a rejection needs a reason")
        return None

    async def _decide_rest(
        self, row: "RequestRow", rest: "list[tuple[int, str]]", analysis: "Analysis | None"
    ) -> bool:
        """The same decision on all items that are left, once each was shown. False: go back."""
        items = {item.item_id: item for item in row.request.items if item.is_open}
        those = [(place, items[item_id]) for place, item_id in rest if item_id in items]
        for place, item in those[1:]:
            self._show(row, item, place, rest[-1][0], analysis)
        given = (await self._ask(_OF_ALL.format(count=len(those)))).lower()
        choice = _CHOICES.get(given, given)
        if choice not in ("approve", "reject", "defer", "skip"):
            return False
        reason = "" if choice in ("approve", "skip") else await self._reason(row, choice)
        if reason is None:
            return False
        if choice != "skip":
            for _, item in those:
                await self._send(row, item, choice, {}, reason or None)
        return True

    async def _send(
        self,
        row: "RequestRow",
        item: "Item",
        choice: str,
        changes: "dict[str, Scalar]",
        reason: str | None,
    ) -> bool:
        """Send a decision on what was shown. False: the item is to be shown again."""
        from account_reviews.domain.errors import (
            BadInputError,
            ConflictError,
            ReviewsError,
            UnreachableError,
        )
        from account_reviews.domain.review.messages import Malformed, SubmitDecision, checked
        from account_reviews.services.access import require_decision
        from account_reviews.services.decisions import check_owner

        decision = checked(
            SubmitDecision,
            {
                "request_id": row.request.request_id,
                "decision": choice,
                "approver": self._who,
                "item_ids": [item.item_id],
                "changes": changes,
                "reason": reason,
                "proposal_hash": item.change.hash,
                "shown_hash": row.request.shown_hash,
            },
        )
        if isinstance(decision, Malformed):
            self._say(decision.why)
            return False
        try:
            await require_decision(self._parts, row, decision)
            if changes:
                await check_owner(self._parts.accounts, decision)
            answer = await self._finished(row, decision)
        except BadInputError as error:
            self._say(error.message)
            return False
        except ConflictError as error:
            return await self._lost(row, item, choice, error.message)
        except UnreachableError as error:
            self._note(
                row, item, choice, ok=None, state="sent, nobody answered", error=error.message
            )
            raise
        except ReviewsError as error:
            self._say(error.message)
            self._note(row, item, choice, ok=False, error=error.message)
            return True
        said = answer.items[0]
        self._say(f"{choice}: {said.message or self._words.term(said.state)}")
        self._note(row, item, choice, ok=True, state=str(said.state))
        return True

    async def _finished(self, row: "RequestRow", decision: "SubmitDecision") -> "DecisionAnswer":
        """The answer; when Ctrl-C comes before it, it is waited for a little and kept."""
        from account_reviews.services.decisions import decide, until_seen

        sent = asyncio.ensure_future(decide(self._client, row, decision))
        try:
            answer = await asyncio.shield(sent)
        except asyncio.CancelledError:
            item = next(
                one for one in row.request.items if one.item_id in (decision.item_ids or ())
            )
            try:
                said = await asyncio.wait_for(sent, _UNDER_WAY_SECONDS)
                self._note(row, item, decision.decision, ok=True, state=str(said.items[0].state))
            except Exception as error:  # noqa: BLE001  all that is known of it goes into the row
                self._note(row, item, decision.decision, ok=None, state="sent", error=str(error))
            raise
        await until_seen(self._parts.reader, self._parts.settings.tenant, row, answer)
        return answer

    async def _lost(self, row: "RequestRow", item: "Item", choice: str, message: str) -> bool:
        """Somebody was faster, or it is not any more what was shown."""
        for _ in range(_FOLLOWS_TRIES):
            now = await self._read(row.request.request_id)
            found = next((one for one in now.request.items if one.item_id == item.item_id), item)
            if found != item:
                break
            await asyncio.sleep(_FOLLOWS_PAUSE)
        if not found.is_open:
            self._told(now, found)
            return True
        self._say(message)
        if found.change.hash != item.change.hash:
            return False
        self._note(row, item, choice, ok=False, error=message)
        return True

    def _told(self, row: "RequestRow", item: "Item") -> None:
        """Say who decided on an item meanwhile."""
        self._left.pop((row.request.request_id, item.item_id), None)
        by = f"decided by {self._words.person(item.decided_by)}" if item.decided_by else "closed"
        at = f", {self._words.moment(item.decided_at)}" if item.decided_at else ""
        reason = f" ({item.reason})" if item.reason else ""
        self._say(f"{item.change.title}: {by}{at}: {self._words.term(item.state)}{reason}")

    def _note(
        self,
        row: "RequestRow",
        item: "Item",
        choice: str,
        *,
        ok: bool | None,
        state: str | None = None,
        error: str | None = None,
    ) -> None:
        if ok:
            self._left.pop((row.request.request_id, item.item_id), None)
        self.rows.append(
            {
                "request_id": row.request.request_id,
                "review_id": row.review_id,
                "account_id": row.request.account_id,
                "account_name": row.account_name,
                "item_id": item.item_id,
                "title": item.change.title,
                "decision": str(choice),
                "ok": ok,
                "state": state,
                "message": error,
            }
        )

    def _say(self, text: str, indent: str = "") -> None:
        from account_reviews.presentation.approval_page import wrapped

        self._print(wrapped(text, indent))

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._line(line)


def _now(name: str, value: "Scalar", words: "Words") -> str:
    """What a field holds now, as it can be typed again; of a person the name."""
    if name == "owner_id":
        return words.value(name, value)
    return "empty" if value is None else str(value)
