"""`reviews approvals`: what waits for a person, and the answers."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from account_reviews.cli.access_log import about
from account_reviews.cli.commands.approvals_delegate import delegate_command
from account_reviews.cli.commands.approvals_next import go_through
from account_reviews.cli.commands.approvals_token import token_command
from account_reviews.cli.commands.decision_batches import Choice, check_choice, decide_many
from account_reviews.cli.options import Account, Cursor, Limit, Output, Owner, Reason
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, print_table, say

Request = Annotated[str, typer.Argument(help="The request id.")]
Requests = Annotated[list[str] | None, typer.Argument(help="Request ids.", metavar="REQUEST...")]
Every = Annotated[bool, typer.Option("--all", help="All pending requests; asks before.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")]
Decisions = Annotated[
    Path | None, typer.Option("--file", help="A JSON list of decisions; - is standard input.")
]
Items = Annotated[list[str] | None, typer.Option("--item", help="Only this item; repeatable.")]
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


def list_command(
    owner: Owner = None,
    account: Account = None,
    state: Annotated[str, typer.Option(help="pending, another state, or any.")] = "pending",
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
) -> None:
    """List requests, soonest deadline first."""
    run(_list(owner, account, state, limit, cursor, output), output)


async def _list(
    owner: str | None,
    account: str | None,
    state: str,
    limit: int,
    cursor: str | None,
    output: Format,
) -> None:
    from account_reviews.cli.parsing import parse_choice
    from account_reviews.domain.review.approvals import RequestState
    from account_reviews.presentation.review_documents import request_row_document
    from account_reviews.services.lookup import account_or_given, owner_or_given

    wanted = parse_choice("--state", state, [*RequestState, "any"])
    async with open_session() as parts:
        page = await parts.reader.list_requests(
            tenant=parts.settings.tenant,
            state=None if wanted == "any" else wanted,
            owner=await owner_or_given(parts, owner),
            account=await account_or_given(parts, account),
            cursor=cursor,
            limit=limit,
        )
    for request_id in page.unreadable:
        note(f"the stored approval request {request_id} cannot be read")
    items = [request_row_document(row) for row in page.items]
    if output is Format.JSON:
        print_json({"items": items, "next_cursor": page.next_cursor})
        return
    rows = [
        [one["request_id"], one["short_id"], one["account_id"], one["state"], len(one["items"]),
         f"{one['deadline']:%Y-%m-%d %H:%MZ}", ", ".join(one["approvers"])]
        for one in items
    ]  # fmt: skip
    print_table(("request", "short", "account", "state", "items", "due", "waits for"), rows)


def show_command(request: Request, output: Output = Format.TABLE) -> None:
    """Show one request. Each write with before and after, evidence, decisions."""
    run(_show(request, output), output)


async def _show(request_id: str, output: Format) -> None:
    from account_reviews.presentation.review_documents import request_row_document

    async with open_session() as parts:
        tenant = parts.settings.tenant
        row = await parts.reader.find_request(tenant, request_id)
        about(row.review_id)
        named = row.request.request_id
        deliveries = await parts.deliveries.of(tenant, [named])
    document = {
        **request_row_document(row, deliveries.get(named, ())),
        "undoes": _undoes(row.review_id),
    }
    print_json(document) if output is Format.JSON else _print_request(document)


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
    from account_reviews.services.decisions import check_owner, decide, until_seen
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
        row = await parts.reader.find_request(parts.settings.tenant, request_id)
        decision = decision.model_copy(update={"request_id": row.request.request_id})
        await require_decision(parts, row, decision)
        if decision.changes:
            await check_owner(parts.accounts, decision)
        answer = await decide(await temporal(parts), row, decision)
        await until_seen(parts.reader, parts.settings.tenant, row, answer)
    if output is Format.JSON:
        print_json({"queued": False, **answer.model_dump()})
        return
    print_table(
        ("item", "state", "remark"), [[one.item_id, one.state, one.message] for one in answer.items]
    )
    say(f"the request is {answer.state}")
    if isinstance(answer, QueuedAnswer):
        note(unpause_hint(answer.review_id))


def _shown(item: dict[str, Any], name: str, after: object) -> str:
    from account_reviews.domain.proposals import due_in_words

    counted = name == "due_at" and item["due_in_seconds"] is not None
    return due_in_words(item["due_in_seconds"]) if counted else quoted(after)


def quoted(value: object) -> str:
    """A value, texts in quotes and with their joiners, which `repr` would spell out."""
    return f"'{value}'" if isinstance(value, str) else repr(value)


def _undoes(review_id: str) -> dict[str, str] | None:
    """Which write a request is about taking back; None for any other."""
    from account_reviews.temporal.names import parse_undo_id

    try:
        run_id, change_id = parse_undo_id(review_id)
    except ValueError:
        return None
    return {"run_id": run_id, "change_id": change_id}


def _print_request(document: dict[str, Any]) -> None:
    from account_reviews.domain.review.terms import RACE
    from account_reviews.presentation.approval_page import wrapped
    from account_reviews.presentation.notifications import delivery_sentence

    short = f" ({document['short_id']})" if document["short_id"] else ""
    name = document["request_id"]
    say(f"request {name}{short} of {document['review_id']}: {document['state']}")
    say(f"  due {document['deadline']:%Y-%m-%d %H:%M:%SZ}, {document['required']['text']}")
    say(f"  asked: {', '.join(document['approvers']) or 'nobody in particular'}")
    say(f"  shown hash {document['shown_hash']}")
    if document["version_check"] == "compared":
        for line in wrapped(RACE, "  "):
            say(line)
    if document["undoes"] is not None:
        say("  takes back item {change_id} of the review run {run_id}".format(**document["undoes"]))
    for item in document["items"]:
        say()
        say(f"  {item['item_id']}  {item['action']}: {item['title']}  [{item['state']}]")
        say(f"    why: {item['rationale']}")
        if item["author"]:
            say(f"    proposed by {item['author']}")
        if item["approvals"]:
            say(f"    approved so far by {', '.join(item['approvals'])}")
        for name, after in item["after"].items():
            before = item["before"].get(name)
            say(f"    {name}: {quoted(before)} -> {_shown(item, name, after)}")
    for decision in document["decisions"]:
        reason = f": {decision['reason']}" if decision["reason"] else ""
        of = f" on behalf of {decision['on_behalf_of']}" if decision["on_behalf_of"] else ""
        say(f"  {decision['decision']} by {decision['by']}{of}{reason}")
    for delivery in document["notifications"]:
        say(f"  {delivery_sentence(delivery)}")
