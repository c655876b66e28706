"""Looking at reviews: `show`, `watch`, `brief`, `history`."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from account_reviews.cli.commands.snapshot import control_lines, conversation_lines
from account_reviews.cli.following import say_next
from account_reviews.cli.options import (
    DocumentFormat,
    Form,
    Output,
    Review,
    Run,
)
from account_reviews.cli.output import Format, is_wide, print_document, print_json, print_line, run
from account_reviews.cli.session import open_session, temporal_when_needed
from account_reviews.presentation.terminal import print_prose, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.presentation.words import Words

WATCH_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("show")(show_command)
    app.command("watch")(watch_command)
    app.command("brief")(brief_command)
    app.command("history")(history_command)


def show_command(review: Review, run_id: Run = None, output: Output = Format.TABLE) -> None:
    """Show one review with its risk, health, findings, changes and approvals."""
    run(_show(review, run_id, output), output)


async def _show(review: str, run_id: str | None, output: Format) -> None:
    from account_reviews.services.reviews import show_review

    async with open_session() as parts:
        connect = temporal_when_needed(parts)
        state, analysis, document = await show_review(parts, connect, review, run_id)
        if output is Format.JSON:
            print_json(document)
            return
        from account_reviews.presentation.review_page import review_lines
        from account_reviews.services.lookup import short_ids
        from account_reviews.services.readers import words_of

        words = await words_of(parts)
        names = await short_ids(parts, state)
    control = control_lines(document, words)
    for line in review_lines(state, analysis, document, words, control=control):
        say(line)
    for line in conversation_lines(document, words):
        say(line)
    if is_wide():
        say(f"  review {state.review_id}, run {state.run_id}")
        for change, _ in state.changes:
            say(f"  item {change.change_id}: {change.title}")
    say()
    say_next(words.next_step(state, names))


def watch_command(review: Review, run_id: Run = None, output: Output = Format.TABLE) -> None:
    """Tell what happens in a review, line by line, until it is closed."""
    run(_watch(review, run_id, output), output)


async def _watch(review: str, run_id: str | None, output: Format) -> None:
    import asyncio

    from account_reviews.presentation.review_documents import timeline_document
    from account_reviews.services.halts import halt_lines
    from account_reviews.services.reviews import show_review

    shown: list[dict[str, Any]] = []
    async with open_session() as parts:
        tell = await _teller(parts) if output is Format.TABLE else None
        connect = temporal_when_needed(parts)
        while True:
            state, _, document = await show_review(parts, connect, review, run_id)
            run_id = state.run_id
            if document["temporal_status"] == "gone":
                from account_reviews.services.review_workflows import gone

                raise gone(state.review_id, state.run_id)
            lines = timeline_document(state, await halt_lines(parts, state))
            for line in lines:
                if line not in shown:
                    print_line(line) if tell is None else await tell.line(state, line)
            shown = lines
            if state.closed_at is not None:
                if tell is not None:
                    await tell.end(state)
                return
            await asyncio.sleep(WATCH_SECONDS)


def history_command(review: Review, run_id: Run = None, output: Output = Format.TABLE) -> None:
    """The story of a review: phases, decisions, refusals, writes."""
    run(_history(review, run_id, output), output)


async def _history(review: str, run_id: str | None, output: Format) -> None:
    from account_reviews.presentation.review_documents import timeline_document
    from account_reviews.services.halts import halt_lines
    from account_reviews.services.reviews import show_review

    async with open_session() as parts:
        connect = temporal_when_needed(parts)
        state, _, _ = await show_review(parts, connect, review, run_id)
        lines = timeline_document(state, await halt_lines(parts, state))
        if output is Format.JSON:
            print_json({"items": lines, "next_cursor": None})
            return
        tell = await _teller(parts)
        say(tell.title(state))
        for line in lines:
            await tell.line(state, line)
        await tell.end(state)


class _Teller:
    """Tells a story to a person. Short ids are looked up when a request is spoken of."""

    def __init__(self, parts: "Parts", words: "Words") -> None:
        self._parts = parts
        self._words = words
        self._names: dict[str, str] = {}

    def title(self, state: "ReviewState") -> str:
        from account_reviews.presentation.review_page import title

        return title(state, self._words)

    async def line(self, state: "ReviewState", line: dict[str, Any]) -> None:
        from account_reviews.presentation.approval_page import wrapped
        from account_reviews.presentation.story import sentence

        await self._look_up(state)
        text = sentence(line, self._words, self._names)
        for shown in wrapped(f"{self._words.moment(line['at'])}  {text}"):
            say(shown)

    async def end(self, state: "ReviewState") -> None:
        """How it ended, and what comes next."""
        await self._look_up(state)
        if state.outcome is not None:
            say(f"{self._words.outcome(state)}: {self._counts(state)}")
        say_next(self._words.next_step(state, self._names), err=True)

    def _counts(self, state: "ReviewState") -> str:
        found = Counter(self._words.term(became) for _, became in state.changes)
        return ", ".join(f"{count} {word}" for word, count in found.items()) or "no changes"

    async def _look_up(self, state: "ReviewState") -> None:
        from account_reviews.services.lookup import short_ids

        if any(one.request_id not in self._names for one in state.requests):
            self._names |= await short_ids(self._parts, state)


async def _teller(parts: "Parts") -> _Teller:
    from account_reviews.services.readers import words_of

    return _Teller(parts, await words_of(parts))


def brief_command(
    review: Review,
    run_id: Run = None,
    form: Form = DocumentFormat.MARKDOWN,
    output: Output = Format.TABLE,
) -> None:
    """The brief of a review for its account owner: Markdown, HTML, JSON or a mail."""
    run(_brief(review, run_id, DocumentFormat.JSON if output is Format.JSON else form), output)


async def _brief(review: str, run_id: str | None, form: DocumentFormat) -> None:
    from account_reviews.presentation.brief import brief_of, render_brief
    from account_reviews.services.reviews import show_review

    async with open_session() as parts:
        connect = temporal_when_needed(parts)
        state, analysis, _ = await show_review(parts, connect, review, run_id)
        brief = brief_of(state, analysis, parts.policy)
        if form is DocumentFormat.JSON:
            print_document(render_brief(brief, "json"))
            return
        from account_reviews.services.documents import beside_brief

        print_prose(render_brief(brief, form.value, *await beside_brief(parts, state)))
