"""`reviews snapshot`: what an agent goes on with."""

from collections.abc import Iterator
from typing import Any

import typer

from account_reviews.cli.options import Output, Review, Run
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session, temporal_when_needed
from account_reviews.presentation.terminal import say


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
    print_json(document) if output is Format.JSON else _print(document)


def _print(document: dict[str, Any]) -> None:
    say(f"{document['review_id']} (run {document['run_id']}), version {document['version']}")
    say(f"  {document['phase']} / {document['status']}  {document['outcome'] or ''}")
    if document["source"] == "projection" and document["closed_at"] is None:
        say(f"  from the read model, {document['age_seconds']:.0f} s old")
    for line in control_lines(document):
        say(line)
    for name, value in document["metadata"].items():
        say(f"  metadata {name}: {_short(value)}")
    if document["last_error"]:
        say(f"  {document['error_count']} errors, the last: {document['last_error']}")


def control_lines(document: dict[str, Any]) -> Iterator[str]:
    """Who has paused it, what stands in its context, what was asked."""
    paused = document["paused"]
    if paused is not None:
        at = f"{paused['at']:%Y-%m-%d %H:%M} UTC"
        yield f"  paused by {paused['by']} since {at}: {paused['reason'] or 'no reason given'}"
    if document["step"]:
        yield f"  step: {document['step']}"
    for number, one in enumerate(document["plan"], 1):
        yield f"  plan {number}: {_short(one)}"
    for name, value in document["context"].items():
        yield f"  context {name}: {_short(value)}"
    for turn in document["conversation"]:
        yield f"  {turn['by']} asks: {turn['question']}"
        yield f"    {turn['answer'] or 'not answered yet'}"


def _short(value: object) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
