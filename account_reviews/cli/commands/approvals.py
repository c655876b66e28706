"""`reviews approvals`: what waits for a person, and the answers."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from account_reviews.cli.commands.approvals_delegate import delegate_command
from account_reviews.cli.commands.approvals_look import list_command, show_command
from account_reviews.cli.commands.approvals_next import go_through
from account_reviews.cli.commands.approvals_token import token_command
from account_reviews.cli.commands.decision_batches import Choice, check_choice, decide_many
from account_reviews.cli.options import Account, Output, Owner, Reason, Request, Requests
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
    from account_reviews.presentation.words import Words
    from account_reviews.store.review_queries import RequestRow

Every = Annotated[bool, typer.Option("--all", help="All pending requests; asks before.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")]
Decisions = Annotated[
    Path | None, typer.Option("--file", help="A JSON list of decisions; - is standard input.")
]
Items = Annotated[
    list[str] | None, typer.Option("--item", help="Only this item: its number or id; repeatable.")
]
As = Annotated[str, typer.Option("--as", help="Who decides.")]
Hash = Annotated[str | None, typer.Option("--hash", help="What you saw; refused when it changed.")]
_OPTION = {
    "approver": "--as",
    "reason": "--reason",
    "request_id": "REQUEST",
    "item_ids": "--item",
    "changes": "--set",
    "proposal_hash": "--hash",
    "shown_hash": "--shown-hash",
    "on_behalf_of": "--on-behalf-of",
    "decision_id": "--decision-id",
    "token": "--token",
}
"""What a person calls the fields of a decision."""

DecisionId = Annotated[str | None, typer.Option("--decision-id", help="Makes a repeat safe.")]
Token = Annotated[str | None, typer.Option("--token", help="Of a signed decision.")]
ShownHash = Annotated[
    str | None, typer.Option("--shown-hash", help="Of the page you saw; refused when it changed.")
]
OnBehalfOf = Annotated[
    str | None, typer.Option("--on-behalf-of", help="Whose delegate decides, in his own name.")
]


class Saw(NamedTuple):
    """By which hashes a person says what he saw."""

    proposal_hash: str | None
    shown_hash: str | None


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Look at approval requests and decide.")
    group.command("list")(list_command)
    group.command("show")(show_command)
    group.command("next")(next_command)
    group.command("approve")(approve_command)
    group.command("adjust")(adjust_command)
    group.command("reject")(reject_command)
    group.command("defer")(defer_command)
    group.command("delegate")(delegate_command)
    group.command("token")(token_command)
    app.add_typer(group, name="approvals")


def next_command(who: As, output: Output = Format.TABLE) -> None:
    """Go through what waits. Most urgent first; one letter decides each item."""
    leave(run(go_through(who, output), output))


def approve_command(
    who: As,
    requests: Requests = None,
    items: Items = None,
    reason: Reason = None,
    proposal_hash: Hash = None,
    decision_id: DecisionId = None,
    token: Token = None,
    shown_hash: ShownHash = None,
    on_behalf_of: OnBehalfOf = None,
    every: Every = False,
    owner: Owner = None,
    account: Account = None,
    file: Decisions = None,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Approve the undecided items, or the named ones."""
    saw = Saw(proposal_hash, shown_hash)
    fields = _fields("approve", who, items, reason, saw, decision_id, token, on_behalf_of)
    choice = Choice(
        requests=tuple(requests or ()),
        every=every,
        owner=owner,
        account=account,
        file=file,
        yes=yes,
    )
    leave(run(_decide_on(choice, fields, output), output))


def adjust_command(
    request: Request,
    who: As,
    items: Items = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE.")] = None,
    reason: Reason = None,
    proposal_hash: Hash = None,
    decision_id: DecisionId = None,
    token: Token = None,
    shown_hash: ShownHash = None,
    on_behalf_of: OnBehalfOf = None,
    output: Output = Format.TABLE,
) -> None:
    """Change one item and approve it so; the original is kept."""
    saw = Saw(proposal_hash, shown_hash)
    fields = _fields("adjust", who, items, reason, saw, decision_id, token, on_behalf_of)
    fields["set"] = list(settings or [])
    run(_decide(request, fields, output), output)


def reject_command(
    who: As,
    requests: Requests = None,
    items: Items = None,
    reason: Reason = None,
    proposal_hash: Hash = None,
    decision_id: DecisionId = None,
    token: Token = None,
    shown_hash: ShownHash = None,
    on_behalf_of: OnBehalfOf = None,
    every: Every = False,
    owner: Owner = None,
    account: Account = None,
    file: Decisions = None,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Reject the undecided items, or the named ones, with a reason."""
    saw = Saw(proposal_hash, shown_hash)
    fields = _fields("reject", who, items, reason, saw, decision_id, token, on_behalf_of)
    choice = Choice(
        requests=tuple(requests or ()),
        every=every,
        owner=owner,
        account=account,
        file=file,
        yes=yes,
    )
    leave(run(_decide_on(choice, fields, output), output))


def defer_command(
    who: As,
    requests: Requests = None,
    items: Items = None,
    reason: Reason = None,
    proposal_hash: Hash = None,
    decision_id: DecisionId = None,
    token: Token = None,
    shown_hash: ShownHash = None,
    on_behalf_of: OnBehalfOf = None,
    every: Every = False,
    owner: Owner = None,
    account: Account = None,
    file: Decisions = None,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Put items off to the account's next review."""
    saw = Saw(proposal_hash, shown_hash)
    fields = _fields("defer", who, items, reason, saw, decision_id, token, on_behalf_of)
    choice = Choice(
        requests=tuple(requests or ()),
        every=every,
        owner=owner,
        account=account,
        file=file,
        yes=yes,
    )
    leave(run(_decide_on(choice, fields, output), output))


async def _decide_on(choice: Choice, fields: dict[str, Any], output: Format) -> int:
    check_choice(choice, fields)
    if not choice.is_single:
        return await decide_many(choice, fields, output)
    await _decide(choice.requests[0], fields, output)
    return 0


def _fields(
    verdict: str,
    who: str,
    items: list[str] | None,
    reason: str | None,
    saw: Saw,
    decision_id: str | None,
    token: str | None,
    on_behalf_of: str | None,
) -> dict[str, Any]:
    return {
        "decision": verdict,
        "approver": who,
        "item_ids": list(items) if items else None,
        "reason": reason,
        "proposal_hash": saw.proposal_hash,
        "shown_hash": saw.shown_hash,
        "decision_id": decision_id,
        "token": token,
        "on_behalf_of": on_behalf_of,
    }


async def _decide(request_id: str, fields: dict[str, Any], output: Format) -> None:
    from account_reviews.cli.parsing import parse_settings
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.review.messages import (
        Malformed,
        QueuedAnswer,
        SubmitDecision,
        checked,
    )
    from account_reviews.services.access import require_decision
    from account_reviews.services.decisions import (
        check_owner,
        numbered_items,
        until_seen,
    )
    from account_reviews.services.lookup import find_request
    from account_reviews.services.readers import words_of
    from account_reviews.temporal.executions import unpause_hint

    pairs = fields.pop("set", None)
    if pairs is not None and (fields["item_ids"] is None or not pairs):
        raise BadInputError("adjust needs one --item and at least one --set FIELD=VALUE")
    given = {"request_id": request_id, "changes": parse_settings(pairs or []), **fields}
    decision = checked(SubmitDecision, given)
    if isinstance(decision, Malformed):
        name, colon, why = decision.why.partition(":")
        raise BadInputError(f"{_OPTION.get(name, name)}{colon}{why}")
    async with open_session() as parts:
        row = await find_request(parts, request_id)
        items = numbered_items(row.request, decision.item_ids)
        decision = decision.model_copy(
            update={"request_id": row.request.request_id, "item_ids": items}
        )
        await require_decision(parts, row, decision)
        if decision.changes:
            decision = _in_wire_form(row, decision, await words_of(parts))
            await check_owner(parts.accounts, decision)
        answer = await _sent(parts, row, decision, output)
        await until_seen(parts.reader, parts.settings.tenant, row, answer)
        if output is Format.TABLE:
            _print(row, answer, await words_of(parts))
    if output is Format.JSON:
        print_json({"queued": False, **answer.model_dump()})
        return
    if isinstance(answer, QueuedAnswer):
        note(unpause_hint(answer.review_id))


def _in_wire_form(
    row: "RequestRow", decision: "SubmitDecision", words: "Words"
) -> "SubmitDecision":
    """With the fields, and the people among their values, as they were meant."""
    from account_reviews.presentation.edit_fields import typed

    items = decision.item_ids or ()
    change = next((one.change for one in row.request.items if one.item_id in items), None)
    if change is None:
        return decision  # the review says which item it does not have
    meant = typed(change, decision.changes, words, words.people)
    return decision.model_copy(update={"changes": meant})


async def _sent(
    parts: "Parts", row: "RequestRow", decision: "SubmitDecision", output: Format
) -> "DecisionAnswer":
    """The answer; a refusal tells a person what to type, or who was first."""
    from account_reviews.domain.errors import ConflictError, ReasonRequiredError
    from account_reviews.presentation.approval_page import late_line
    from account_reviews.services.decisions import decide
    from account_reviews.services.lookup import find_request
    from account_reviews.services.readers import words_of

    try:
        return await decide(await temporal(parts), row, decision, parts.guard.spellings())
    except ReasonRequiredError as error:
        error.hint = "say why with --reason"
        raise
    except ConflictError as error:
        if output is not Format.TABLE or " is already " not in error.message:
            raise
        row = await find_request(parts, row.request.request_id)
        told = late_line(row.request, decision.item_ids, await words_of(parts))
        raise ConflictError(told or error.message, hint=error.hint) from None


def _print(row: "RequestRow", answer: "DecisionAnswer", words: "Words") -> None:
    """What each change became, and what comes next."""
    from account_reviews.presentation.approval_page import wrapped
    from account_reviews.presentation.next_steps import called

    request = row.request
    changes = {item.item_id: words.change(item.change) for item in request.items}
    say(words.account(row.account_name, request.account_id))
    for one in answer.items:
        remark = f" ({one.message})" if one.message else ""
        text = f"{words.term(one.state)}: {changes.get(one.item_id, one.item_id)}{remark}"
        for line in wrapped(text, "  "):
            say(line)
    say(f"the request is {words.term(answer.state)}")
    name = shlex.quote(row.short_id or request.request_id)
    if answer.state == "pending":
        note(f"what is left: reviews approvals show {name}")
    else:
        review = called(request.review_id, request.account_id)
        note(f"what comes of it: reviews watch {review}")
