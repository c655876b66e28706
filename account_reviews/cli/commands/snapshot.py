"""`reviews snapshot`: what an agent goes on with."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from account_reviews.cli.options import Output, Review, Run
from account_reviews.cli.output import Format, is_wide, print_json, run
from account_reviews.cli.session import open_session, temporal_when_needed
from account_reviews.presentation.terminal import say

if TYPE_CHECKING:
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.presentation.words import Words


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("snapshot")(snapshot_command)


def snapshot_command(review: Review, run_id: Run = None, output: Output = Format.TABLE) -> None:
    """Show the state of a review. Context, conversation, plan, step, counters, version."""
    run(_snapshot(review, run_id, output), output)


async def _snapshot(review: str, run_id: str | None, output: Format) -> None:
    from account_reviews.presentation.review_documents import snapshot_document
    from account_reviews.services.reviews import see_review

    async with open_session() as parts:
        seen = await see_review(parts, temporal_when_needed(parts), review, run_id)
        document = snapshot_document(seen.state, source=seen.source, age_seconds=seen.age_seconds)
        if output is Format.JSON:
            print_json(document)
            return
        from account_reviews.presentation.quick_words import list_words
        from account_reviews.services.lookup import people

        names = await people(parts)
        _print(seen.state, document, list_words(parts.settings, lambda: parts.policy, people=names))
        if document["conversation"]:
            from account_reviews.services.readers import words_of

            for line in conversation_lines(document, await words_of(parts)):
                say(line)


def _print(state: "ReviewState", document: dict[str, Any], words: "ListWords") -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.terms import account_named, outcome_of

    name = state.snapshot.account_name if state.snapshot is not None else None
    say(f"{account_named(name, state.account_id)}, version {state.version}")
    if is_wide():
        say(f"  review {state.review_id}, run {state.run_id}")
    outcome = outcome_of(state.outcome, plan_only=state.plan_only)
    phase, status = words.term(state.phase), words.term(state.status)
    say("  " + (outcome or ", ".join(dict.fromkeys((status, phase)))))
    if document["source"] == "projection" and document["closed_at"] is None:
        say(f"  from the read model, {words.span(document['age_seconds'])} old")
    for line in control_lines(document, words):
        say(line)
    for name, value in document["metadata"].items():
        say(f"  metadata {name}: {_short(value)}")
    if document["last_error"]:
        errors = counted(document["error_count"], "error")
        say(f"  {errors}, the last: {document['last_error']}")


def control_lines(document: dict[str, Any], words: "ListWords") -> Iterator[str]:
    """Who has paused it, and what stands in its context."""
    paused = document["paused"]
    if paused is not None:
        who = f"{words.person(paused['by'])} since {words.moment(paused['at'])}"
        yield f"  paused by {who}: {paused['reason'] or 'no reason given'}"
    if document["step"]:
        yield f"  step: {document['step']}"
    for number, one in enumerate(document["plan"], 1):
        yield f"  plan {number}: {_short(one)}"
    for name, value in document["context"].items():
        yield f"  context {name}: {_short(value)}"


def conversation_lines(document: dict[str, Any], words: "Words") -> Iterator[str]:
    """What was asked, and what was answered."""
    for turn in document["conversation"]:
        yield f"  {words.person(turn['by'])} asks: {turn['question']}"
        for line in (turn["answer"] or "not answered yet").splitlines():
            yield f"    {words.prose(line)}"


def _short(value: object) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
