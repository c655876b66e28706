"""`reviews resumable`: may somebody go on with a review? Exit code 0 is yes, 1 is no."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.options import Output, Run
from account_reviews.cli.output import Format, leave, print_document, print_json, run
from account_reviews.cli.session import open_session, temporal_when_needed
from account_reviews.presentation.tables import Column, word_cell
from account_reviews.presentation.terminal import print_table, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.services.resume import Decided


_COLUMNS = (
    Column("ok", "State"),
    Column("asked", "Asked with"),
    Column("answer", "Answer", folds=True),
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("resumable")(resumable)


def resumable(
    review: Annotated[
        str | None, typer.Argument(help="A review id, an account id or a run id.")
    ] = None,
    run_id: Run = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read a JSON object from an agent, answer with one.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Try what --stdin answers to, and say it.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Say whether a review can be taken up again. Exit code 0 yes, 1 no."""
    if stdin and not test:
        answer = _of_stdin()
        _print_document(answer)
        leave(0 if answer["should_resume"] else 1)
    if test:
        _tell_test(run(_tried(), output), output)
    if review is None:
        from account_reviews.cli.output import fail
        from account_reviews.domain.errors import BadInputError

        fail(BadInputError("no review is named", hint="name one, or use --stdin"), output)
    decided = run(_tell(review, run_id, output), output)
    leave(0 if decided.decision.resumable else 1)


async def _tell(review: str, run_id: str | None, output: Format) -> "Decided":
    from account_reviews.services.resume import decide_on
    from account_reviews.services.telling import in_words

    async with open_session() as parts:
        decided = await decide_on(parts, temporal_when_needed(parts), review, run_id)
        if output is Format.JSON:
            print_json(_document(decided))
            return decided
        word = "yes" if decided.decision.resumable else "no"
        name = f", {decided.state.review_id}" if decided.state else ""
        said = await in_words(parts, f"{word}{name}: {decided.decision.reason}")
        say(said[0])
    return decided


def _document(decided: "Decided") -> dict[str, Any]:
    state = decided.state
    shown = ("review_id", "run_id", "account_id", "phase", "status", "error_count", "version")
    known = {name: getattr(state, name) if state else None for name in shown}
    return {
        **decided.decision.model_dump(),
        **known,
        "updated_at": state.updated_at if state else None,
        "source": decided.source,
    }


def _of_stdin() -> dict[str, Any]:
    """The answer to what stands on stdin. Whatever happens, there is one."""
    import asyncio
    import sys

    from account_reviews.domain.review.resume import MOST_BYTES, read_context
    from account_reviews.services.resume import broken

    context: object = None
    try:
        source = sys.stdin  # None when the caller closed it
        context = read_context(b"" if source is None else source.buffer.read(MOST_BYTES + 1))
        return asyncio.run(_answered(context))
    except Exception as error:  # noqa: BLE001  an agent has no use for a traceback
        return broken(context, error)


async def _answered(context: object) -> dict[str, Any]:
    from account_reviews.services.resume import answer_agent

    async with open_session() as parts:
        return await answer_agent(parts, temporal_when_needed(parts), context)


def _print_document(answer: dict[str, Any]) -> None:
    """Nothing but ASCII: what an agent sent may hold what no terminal can show."""
    import json

    print_document(json.dumps(answer, indent=2))


_NOBODY = "review/there-is-no-such-review"


async def _tried() -> list[dict[str, Any]]:
    """What is asked, what the answer is to be, and what it was."""
    from account_reviews.domain.review.resume import read_context
    from account_reviews.services.resume import answer_agent, broken

    async with open_session() as parts:
        connect = temporal_when_needed(parts)
        try:
            answers = [("what is no JSON", "error", broken(None, ValueError(read_context(b"{"))))]
        except Exception as error:  # noqa: BLE001  that is what is tried
            answers = [("what is no JSON", "error", broken(None, error))]
        for what, reason, context in (
            ("no agent_id", "no_existing_session", {"agent_name": "test"}),
            ("an unknown agent_id", "session_not_resumable", {"agent_id": _NOBODY}),
            *await _one_that_waits(parts),
        ):
            answers.append((what, reason, await answer_agent(parts, connect, context)))
    return [
        {"asked": what, "ok": answer["reason"] == reason, "answer": answer}
        for what, reason, answer in answers
    ]


async def _one_that_waits(parts: "Parts") -> list[tuple[str, str, dict[str, str]]]:
    """The newest review that waits for a person, if one does."""
    from account_reviews.store.review_queries import RunFilter

    wanted = RunFilter(tenant=parts.settings.tenant, where={"status": "waiting"}, open_only=True)
    page = await parts.reader.list_runs(wanted, cursor=None, limit=1)
    return [
        ("a review that waits", "session_resumable", {"agent_id": row.review_id})
        for row in page.items
    ]


def _tell_test(cases: list[dict[str, Any]], output: Format) -> None:
    ok = all(case["ok"] for case in cases)
    if output is Format.JSON:
        _print_document({"ok": ok, "cases": cases})
    else:
        rows = [
            (word_cell("ok" if case["ok"] else "FAILED"), case["asked"], case["answer"]["reason"])
            for case in cases
        ]
        print_table(_COLUMNS, rows)
    leave(0 if ok else 1)
