"""`reviews approvals token`: sign a decision, where the keys are."""

from typing import Annotated, Any

import typer

from account_reviews.cli.access_log import about
from account_reviews.cli.options import Output, Reason, Request
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.terminal import note, say

Items = Annotated[
    list[str] | None, typer.Option("--item", help="Only this item: its number or id; repeatable.")
]
As = Annotated[str, typer.Option("--as", help="Who decides.")]
_OPTION = {
    "approver": "--as",
    "reason": "--reason",
    "request_id": "REQUEST",
    "item_ids": "--item",
    "changes": "--set",
    "decision": "--decision",
    "on_behalf_of": "--on-behalf-of",
}


def token_command(
    request: Request,
    decision: Annotated[str, typer.Option("--decision", help="approve, adjust, reject or defer.")],
    who: As,
    items: Items = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE.")] = None,
    on_behalf_of: Annotated[
        str | None, typer.Option("--on-behalf-of", help="Whose delegate decides.")
    ] = None,
    reason: Reason = None,
    expires_in: Annotated[str, typer.Option("--expires-in", help="Such as 1h or 3d.")] = "1h",
    output: Output = Format.TABLE,
) -> None:
    """Sign one decision on what the request shows now. It counts once, until it expires."""
    fields = {
        "request_id": request,
        "decision": decision,
        "approver": who,
        "item_ids": list(items) if items else None,
        "on_behalf_of": on_behalf_of,
        "reason": reason,
    }
    run(_token(request, fields, list(settings or []), expires_in, output), output)


async def _token(
    request_id: str, fields: dict[str, Any], pairs: list[str], expires_in: str, output: Format
) -> None:
    from account_reviews.cli.parsing import parse_choice, parse_length, parse_settings
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.review.messages import (
        Malformed,
        SubmitDecision,
        Verdict,
        checked,
    )
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.services.decision_tokens import make_token
    from account_reviews.services.decisions import numbered_items

    fields["decision"] = parse_choice("--decision", fields["decision"], list(Verdict))
    decision = checked(SubmitDecision, {**fields, "changes": parse_settings(pairs)})
    if isinstance(decision, Malformed):
        name, colon, why = decision.why.partition(":")
        raise BadInputError(f"{_OPTION.get(name, name)}{colon}{why}")
    length = parse_length("--expires-in", expires_in)
    async with open_session() as parts:
        row = await parts.reader.find_request(parts.settings.tenant, request_id.strip())
        about(row.review_id)
        named = {
            "request_id": row.request.request_id,
            "item_ids": numbered_items(row.request, decision.item_ids),
        }
        decision = decision.model_copy(update=named)
        signed = await make_token(parts, row, decision, length)
        words = list_words(parts.settings, lambda: parts.policy)
    if output is Format.JSON:
        print_json(
            {
                "token": signed.token,
                "request_id": row.request.request_id,
                "expires_at": signed.expires_at,
            }
        )
        return
    say(signed.token)
    note(f"it counts once, until {words.moment(signed.expires_at)}")
