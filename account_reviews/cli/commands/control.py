"""What is done to an open review: pause, resume, close, touch, ask, annotate, propose."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.commands.several import Row, rows_of, say_done, say_next_of
from account_reviews.cli.options import Actor, Output, Reason, Review, Reviews, Run
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.review.commands import Said
    from account_reviews.services.control import Commanded

CommandId = Annotated[str | None, typer.Option("--command-id", help="Makes a repeat safe.")]
OUTCOMES = ("completed", "failed", "abandoned")
_OPTIONS = {"by": "--as", "question": "QUESTION", "changes": "--changes"}
"""What a person calls the fields of a message; the others are called by their option."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("pause")(pause_command)
    app.command("resume")(resume_command)
    app.command("close")(close_command)
    app.command("touch")(touch_command)
    app.command("ask")(ask_command)
    app.command("annotate")(annotate_command)
    app.command("propose")(propose_command)


def pause_command(
    reviews: Reviews,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """Hold the next step of reviews. Decisions are taken, deadlines run, writes wait."""
    given = {"by": by, "reason": reason}
    leave(run(_each("pause", reviews, run_id, given, command_id, output), output))


def resume_command(
    reviews: Reviews,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """Let paused reviews go on."""
    given = {"by": by, "reason": reason}
    leave(run(_each("resume", reviews, run_id, given, command_id, output), output))


def close_command(
    review: Review,
    outcome: Annotated[str | None, typer.Option(help=" | ".join(OUTCOMES))] = None,
    exit_code: Annotated[
        int | None, typer.Option(help="As a program ended: 0 is completed, any other failed.")
    ] = None,
    summary: Annotated[str | None, typer.Option(help="What came of it.")] = None,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """End a review. What is open is skipped; what was written stays."""
    given = {
        "outcome": outcome, "exit_code": exit_code, "summary": summary, "by": by, "reason": reason,
    }  # fmt: skip
    run(_close(review, run_id, given, command_id, output), output)


def touch_command(
    review: Review,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that somebody is at work. An interactive review is not abandoned as idle yet."""
    run(_touch(review, run_id, {"by": by, "reason": reason}, output), output)


def ask_command(
    review: Review,
    question: Annotated[str, typer.Argument(help="What you want to know of the account.")],
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask a review about its account; question and answer are kept."""
    given = {"question": question, "by": by, "reason": reason}
    run(_one("ask", review, run_id, given, command_id, output), output)


def annotate_command(
    review: Review,
    metadata: Annotated[str | None, typer.Option(help="A JSON object; later keys win.")] = None,
    context: Annotated[
        str | None, typer.Option(help="A JSON object: sets are united, lists extended.")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="A JSON list, in place of the plan.")] = None,
    step: Annotated[str | None, typer.Option(help="What you are at.")] = None,
    error: Annotated[str | None, typer.Option(help="Count one error more.")] = None,
    expected_version: Annotated[
        int | None, typer.Option(min=0, help="Refused when the review has another version.")
    ] = None,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """Keep context, metadata, plan, step or an error with a review."""
    given = {
        "metadata": metadata, "context": context, "plan": plan, "step": step, "error": error,
        "expected_version": expected_version, "by": by, "reason": reason,
    }  # fmt: skip
    run(_annotate(review, run_id, given, command_id, output), output)


def propose_command(
    review: Review,
    changes: Annotated[str | None, typer.Option(help="A JSON list of changes.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="The same in a file; - is standard input.")
    ] = None,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    command_id: CommandId = None,
    output: Output = Format.TABLE,
) -> None:
    """Propose changes to the CRM. People decide on them like on any other."""
    run(_propose(review, changes, file, run_id, by, reason, command_id, output), output)


async def _each(
    verb: str,
    reviews: list[str],
    run_id: str | None,
    given: Mapping[str, Any],
    command_id: str | None,
    output: Format,
) -> int:
    from account_reviews.services.control import command

    said = _checked(verb, given)
    async with open_session() as parts:
        client = await temporal(parts)

        async def one(review: str) -> Row:
            done = await command(
                parts, client, review, verb, said, run_id=run_id, command_id=command_id
            )
            return done.document()

        return await rows_of(parts, reviews, run_id, one, output)


async def _one(
    verb: str,
    review: str,
    run_id: str | None,
    given: Mapping[str, Any],
    command_id: str | None,
    output: Format,
) -> None:
    from account_reviews.services.control import command

    said = _checked(verb, given)
    async with open_session() as parts:
        client = await temporal(parts)
        done = await command(
            parts, client, review, verb, said, run_id=run_id, command_id=command_id
        )
        if verb == "ask" and output is Format.TABLE:
            await _print_answer(parts, done)
        else:
            await _print(parts, done, output)


async def _close(
    review: str,
    run_id: str | None,
    given: dict[str, Any],
    command_id: str | None,
    output: Format,
) -> None:
    from account_reviews.cli.parsing import parse_choice
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.control import command, until_closed

    outcome, exit_code = given["outcome"], given["exit_code"]
    if (outcome is None) == (exit_code is None):
        raise BadInputError(
            "say how it ends, in one way",
            hint=f"give --outcome {'|'.join(OUTCOMES)}, or --exit-code N",
        )
    if outcome is not None:
        given = {**given, "outcome": parse_choice("--outcome", outcome, OUTCOMES)}
    said = _checked("close", given)
    async with open_session() as parts:
        client = await temporal(parts)
        done = await command(
            parts, client, review, "close", said, run_id=run_id, command_id=command_id
        )
        if done.answer is not None:
            done = await until_closed(parts, done)
        await _print(parts, done, output)
        if output is not Format.JSON:
            await say_next_of(parts, done.state.review_id, done.state.run_id)


async def _touch(review: str, run_id: str | None, given: Mapping[str, Any], output: Format) -> None:
    from account_reviews.services.control import touch

    said = _checked("touch", given)
    async with open_session() as parts:
        done = await touch(parts, await temporal(parts), review, said, run_id=run_id)
        await _print(parts, done, output)


async def _annotate(
    review: str,
    run_id: str | None,
    given: dict[str, Any],
    command_id: str | None,
    output: Format,
) -> None:
    from account_reviews.cli.parsing import parse_json, parse_metadata
    from account_reviews.domain.errors import BadInputError

    said = {name: value for name, value in given.items() if value is not None}
    if not set(said) - {"by", "reason", "expected_version"}:
        hint = "give --metadata, --context, --plan, --step or --error"
        raise BadInputError("there is nothing to note", hint=hint)
    if "metadata" in said:
        said["metadata"] = parse_metadata(said["metadata"])
    if "context" in said:
        said["context"] = parse_json("--context", said["context"], dict)
    if "plan" in said:
        said["plan"] = parse_json("--plan", said["plan"], list)
    await _one("annotate", review, run_id, said, command_id, output)


async def _propose(
    review: str,
    changes: str | None,
    file: Path | None,
    run_id: str | None,
    by: str | None,
    reason: str | None,
    command_id: str | None,
    output: Format,
) -> None:
    from account_reviews.cli.parsing import parse_json, read_text
    from account_reviews.domain.errors import BadInputError

    if (changes is None) == (file is None):
        hint = "give --changes JSON, or --file FILE"
        raise BadInputError("say what to propose, in one place", hint=hint)
    where = "--changes" if file is None else "--file"
    text = (changes or "") if file is None else read_text("--file", file)
    wanted = parse_json(where, text, list)
    given = {"changes": wanted, "by": by, "reason": reason}
    await _one("propose", review, run_id, given, command_id, output)


def _checked(verb: str, given: Mapping[str, Any]) -> "Said":
    """The message. BadInputError names the option that does not fit."""
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.review import commands
    from account_reviews.domain.review.messages import Malformed, checked

    models: dict[str, type[Said]] = {
        "close": commands.Close, "touch": commands.Touch, "ask": commands.Ask,
        "annotate": commands.Annotate, "propose": commands.Propose,
    }  # fmt: skip
    fields = {name: value for name, value in given.items() if value is not None}
    said = checked(models.get(verb, commands.Command), {"by": user_name(), **fields})
    if isinstance(said, Malformed):
        name, colon, why = said.why.partition(":")
        field, dot, inner = name.partition(".")
        option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
        raise BadInputError(f"{option}{dot}{inner}{colon}{why}")
    return said


async def _print_answer(parts: "Parts", done: "Commanded") -> None:
    from account_reviews.presentation.terms import account_named
    from account_reviews.services.readers import words_of
    from account_reviews.services.telling import account_names_of

    words, turn, account = await words_of(parts), done.document()["turn"], done.state.account_id
    for line in turn["answer"].splitlines():
        say(words.prose(line))
    name = (await account_names_of(parts, [account])).get(account)
    note(f"question {turn['number']} about {account_named(name, account)}")


async def _print(parts: "Parts", done: "Commanded", output: Format) -> None:
    from account_reviews.presentation.terms import term_of

    document = done.document()
    if output is Format.JSON:
        print_json(document)
        return
    await say_done(parts, document["account_id"], document["status"], done.message)
    for item in document.get("items", ()):
        remark = f" ({item['message']})" if item["message"] else ""
        say(f"  {term_of(item['state'])}: {item['title']}{remark}")
    if document.get("request_id"):
        note(f"Next: reviews approvals list --account {shlex.quote(document['account_id'])}")
