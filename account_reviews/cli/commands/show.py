"""Looking at reviews: `show`, `watch`, `brief`, `history`."""

from typing import TYPE_CHECKING, Any

import typer

from account_reviews.cli.commands.snapshot import say_control
from account_reviews.cli.options import (
    DocumentFormat,
    Form,
    Output,
    Review,
    Run,
)
from account_reviews.cli.output import Format, print_json, print_line, run
from account_reviews.cli.session import open_session, temporal_when_needed
from account_reviews.presentation.terminal import (
    print_json_text,
    print_table,
    print_text,
    say,
)

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts

WATCH_SECONDS = 0.5
_STANDINGS = {
    "paused": "paused in Temporal; unpause it: temporal workflow unpause -w {review_id}",
    "gone": "gone: Temporal does not know it any more; end it: "
    "reviews cancel {review_id} --run {run_id}",
    "terminated": "terminated in Temporal",
    "timed_out": "timed out in Temporal",
    "failed": "failed in Temporal",
}


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
    async with open_session() as parts:
        document = await _document(parts, review, run_id)
    if output is Format.JSON:
        print_json(document)
    else:
        _print_review(document)


async def _document(parts: "Parts", review: str, run_id: str | None) -> dict[str, Any]:
    from account_reviews.services.reviews import show_review

    _, _, document = await show_review(parts, temporal_when_needed(parts), review, run_id)
    return document


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
                    print_line(line) if output is Format.JSON else _print_line(line)
            shown = lines
            if state.closed_at is not None:
                if output is Format.TABLE:
                    say(state.summary)
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
    for line in lines:
        _print_line(line)


def brief_command(
    review: Review,
    run_id: Run = None,
    form: Form = DocumentFormat.MARKDOWN,
    output: Output = Format.TABLE,
) -> None:
    """The brief of a review for its account owner: Markdown, HTML or JSON."""
    run(_brief(review, run_id, DocumentFormat.JSON if output is Format.JSON else form), output)


async def _brief(review: str, run_id: str | None, form: DocumentFormat) -> None:
    from account_reviews.presentation.brief import brief_of, render_brief
    from account_reviews.services.reviews import show_review

    async with open_session() as parts:
        connect = temporal_when_needed(parts)
        state, analysis, _ = await show_review(parts, connect, review, run_id)
        policy = parts.policy
    put = print_json_text if form is DocumentFormat.JSON else print_text
    put(render_brief(brief_of(state, analysis, policy), form.value))


def _print_review(document: dict[str, Any]) -> None:
    risk, health = document["risk"], document["health"]
    title = document["account_name"] or document["account_id"]
    say(f"{title} ({document['review_id']}, run {document['run_id']})")
    say(f"  {document['phase']} / {document['status']}  {document['outcome'] or ''}")
    undoes = document["undoes"]
    if undoes is not None:
        because = f" ({undoes['reason']})" if undoes["reason"] else ""
        say(f"  takes back {undoes['title']!r}, item {undoes['change_id']}{because}")
        say(f"  which {undoes['review_id']} wrote in run {undoes['run_id']}")
    scores = f"health {health['band']} {_short(health['score'])}"
    say(f"  risk {risk['level']} {_short(risk['score'])}   {scores}")
    if document["degraded"]:
        say(f"  degraded: {', '.join(document['missing_sources'])} missing")
    if document["source"] == "projection" and document["closed_at"] is None:
        say(f"  from the read model, {document['age_seconds']:.0f} s old")
    if document["archived"]:
        say(f"  archived on {_short(document['archived']['at'])}: its rows were removed")
    _print_standing(document)
    if document["halted"]:
        halt = document["halted"]
        since = f"{halt['by']} since {_short(halt['at'])}"
        say(f"  writes are stopped by {since}: {halt['reason']}")
    say_control(document)
    for finding in document["findings"]:
        say(f"  - [{finding['severity']}] {finding['title']}")
    if document["changes"]:
        rows = [
            [change["change_id"], change["action"], change["title"], change["state"]]
            for change in document["changes"]
        ]
        print_table(("change", "action", "title", "state"), rows)
    for request in document["approvals"]:
        due = _short(request["deadline"])
        say(f"  request {request['request_id']}: {request['state']}, due {due}")
    say(f"  {document['summary']}")


def _print_standing(document: dict[str, Any]) -> None:
    """What was done to it in Temporal, and what it fails at."""
    from account_reviews.presentation.stuck_documents import failing_lines

    if document["temporal_status"] in _STANDINGS:
        say(f"  {_STANDINGS[document['temporal_status']].format(**document)}")
    if document["kind"] == "recovery":
        say("  it was reset in Temporal, and goes on from there")
    for line in failing_lines(document["failing"]):
        say(f"  {line}")


def _print_line(line: dict[str, Any]) -> None:
    by = f" by {line['by']}" if line["by"] else ""
    say(f"{_short(line['at'])}  {line['kind']:<20} {line['text']}{by}")


def _short(value: Any) -> str:
    if value is None:
        return "-"
    moment = getattr(value, "strftime", None)
    return str(value.strftime("%Y-%m-%d %H:%M:%SZ")) if moment else str(value)
