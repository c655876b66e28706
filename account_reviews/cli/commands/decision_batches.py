"""Decisions on several requests at once: named, all of a list, or those of a file."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from account_reviews.cli.answers import Answers
from account_reviews.cli.output import Format, print_json
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.tables import Cell, Column
from account_reviews.presentation.terminal import note, print_table, say
from account_reviews.presentation.terms import term_of
from account_reviews.presentation.tones import tone_of

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.services.decision_batches import Planned, Wish
    from account_reviews.store.review_queries import RequestRow

MOST: Final = 1000
"""Decisions of one command."""
_PAGE: Final = 200
_OF_A_FILE: Final = (
    *("request_id", "decision", "item_ids", "changes", "reason", "proposal_hash", "shown_hash"),
    *("decision_id", "token", "on_behalf_of"),
)
_YES: Final = ("y", "yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which requests a command is about."""

    requests: tuple[str, ...] = ()
    every: bool = False
    owner: str | None = None
    account: str | None = None
    file: Path | None = None
    yes: bool = False

    @property
    def is_single(self) -> bool:
        """Whether it is one request, named by its id."""
        return len(self.requests) == 1 and not self.every and self.file is None


def check_choice(choice: Choice, fields: dict[str, Any]) -> None:
    """BadInputError for words that do not go together."""
    from account_reviews.domain.errors import BadInputError

    given = {"REQUEST": choice.requests, "--all": choice.every, "--file": choice.file is not None}
    chosen = [name for name, is_there in given.items() if is_there]
    if len(chosen) > 1:
        raise BadInputError(f"{' and '.join(chosen)} cannot be given together", hint="choose one")
    if not chosen:
        raise BadInputError("no request is named", hint="name a REQUEST, or give --all or --file")
    if not choice.every:
        narrowed = {"--owner": choice.owner, "--account": choice.account, "--yes": choice.yes}
        for name, value in narrowed.items():
            if value:
                raise BadInputError(f"{name} goes with --all", hint="leave it out, or give --all")
    if choice.is_single:
        return
    single = {
        "--item": "item_ids",
        "--hash": "proposal_hash",
        "--decision-id": "decision_id",
        "--token": "token",
    }
    for name, field in single.items():
        if fields.get(field) is not None:
            raise BadInputError(
                f"{name} is about one request",
                hint="name one REQUEST, or say it in a --file for each",
            )


async def decide_many(choice: Choice, fields: dict[str, Any], output: Format) -> int:
    """Decide on all that is chosen and print a row for each. The exit code."""
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.services import decision_batches as batches

    wishes = _of_file(choice.file, fields) if choice.file is not None else None
    async with open_session() as parts:
        if wishes is None:
            wishes = await _wishes(parts, choice, fields)
        planned = await batches.plan(parts, wishes)
        if choice.every and not choice.yes and planned:
            words = list_words(parts.settings, lambda: parts.policy)
            await _confirm(planned, fields, words)
        if not planned:
            rows = []
        elif parts.policy.approvals.batch:
            rows = await batches.decide_all(parts, await temporal(parts), planned)
        else:
            why = "the policy allows no decisions on several requests at once"
            hint = "decide on one REQUEST at a time (approvals.batch is false)"
            rows = batches.refuse_all(planned, why, hint)
    _print(rows, planned, output)
    return 0 if all(row["ok"] for row in rows) else 1


async def _wishes(parts: "Parts", choice: Choice, fields: dict[str, Any]) -> "list[Wish]":
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.decision_batches import Wish
    from account_reviews.services.lookup import account_or_given, owner_or_given

    if not choice.every:
        if len(choice.requests) > MOST:
            raise BadInputError(
                f"{len(choice.requests):,} requests are named, and {MOST:,} are the most"
            )
        return [Wish(request=one, fields=fields) for one in choice.requests]
    owner = await owner_or_given(parts, choice.owner)
    account = await account_or_given(parts, choice.account)
    found: list[Wish] = []
    cursor = None
    while len(found) < MOST:
        page = await parts.reader.list_requests(
            tenant=parts.settings.tenant,
            owner=owner,
            account=account,
            cursor=cursor,
            limit=_PAGE,
        )
        for request_id in page.unreadable:
            note(f"the stored approval request {request_id} cannot be read")
        found += [
            # Only what is listed now: what changes until it is confirmed is refused.
            Wish(
                request=row.request.request_id,
                fields={**fields, "proposal_hash": row.request.hash},
            )
            for row in page.items
        ]
        cursor = page.next_cursor
        if cursor is None:
            return found
    note(f"there are more than {MOST:,} requests: this is about the {MOST:,} that are due first")
    return found[:MOST]


def _of_file(file: Path | None, fields: dict[str, Any]) -> "list[Wish]":
    """The decisions of a JSON file, `-` for standard input; a mistake names the entry."""
    import json

    from account_reviews.domain.errors import BadInputError

    where = "standard input" if str(file) == "-" else f"the file {file}"
    try:
        text = sys.stdin.read() if str(file) == "-" else Path(str(file)).read_text("utf-8-sig")
        found = json.loads(text)
    except OSError as error:
        raise BadInputError(f"{where} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInputError(f"{where} is not JSON in UTF-8") from None
    entries = found.get("items") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise BadInputError(
            f"{where} holds no list of decisions", hint='write [{"request_id": "...", ...}, ...]'
        )
    if len(entries) > MOST:
        raise BadInputError(f"{where} has {len(entries):,} decisions, and {MOST:,} are the most")
    return [
        _of_entry(entry, f"{where}, decision {n}", fields) for n, entry in enumerate(entries, 1)
    ]


def _of_entry(entry: object, where: str, fields: dict[str, Any]) -> "Wish":
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.decision_batches import Wish

    if not isinstance(entry, dict):
        raise BadInputError(f"{where} is not a JSON object")
    unknown = sorted(set(entry) - set(_OF_A_FILE))
    if unknown:
        hint = "who decides is said with --as" if unknown[0] in ("approver", "by") else None
        known = ", ".join(_OF_A_FILE)
        raise BadInputError(f"{where} has a field {unknown[0]!r}, and may have {known}", hint=hint)
    request = entry.get("request_id")
    if not isinstance(request, str) or not request.strip():
        raise BadInputError(f"{where} names no request_id")
    given = {name: value for name, value in entry.items() if value is not None}
    return Wish(request=request.strip(), fields={**fields, **given})


async def _confirm(planned: "list[Planned]", fields: dict[str, Any], words: "ListWords") -> None:
    """NegativeAnswerError unless a person says yes to what is listed."""
    from account_reviews.domain.counting import counted
    from account_reviews.domain.errors import NegativeAnswerError

    items = 0
    for one in planned:
        if one.row is not None:
            request = one.row.request
            open_items = [item for item in request.items if item.is_open]
            items += len(open_items)
            due = words.due(request.deadline)
            name = one.row.short_id or request.request_id
            note(f"{name}  {one.row.account_name or request.account_id}, due {due}")
            for item in open_items:
                note(f"  {item.change.title}")
    what = f"{counted(items, 'item')} of {counted(len(planned), 'request')}"
    question = f"{fields['decision']} {what} as {fields['approver']}? Type yes:"
    answer = await Answers(err=True).ask(question)
    if answer is None or answer.lower() not in _YES:
        raise NegativeAnswerError("nothing was decided", hint="--yes decides without a question")


def _print(rows: list[dict[str, Any]], planned: "list[Planned]", output: Format) -> None:
    if output is Format.JSON:
        print_json({"items": rows})
        return
    if not rows:
        say("there is nothing to decide")
        return
    known = {one.row.request.request_id: one.row for one in planned if one.row is not None}
    print_table(
        (
            Column("request", "Request"),
            Column("account", "Account", 2, prose=True),
            Column("result", "Result"),
            Column("remark", "Remark", prose=True, folds=True),
        ),
        [_cells(one, known.get(one["request_id"])) for one in rows],
    )
    refused = sum(not one["ok"] for one in rows)
    say(f"{len(rows) - refused} decided, {refused} refused")


def _cells(row: dict[str, Any], known: "RequestRow | None") -> tuple[object, ...]:
    name = (known.short_id if known is not None else None) or row["request_id"]
    account = (known.account_name if known is not None else None) or row["account_id"]
    result = _result(row)
    return name, account, Cell(term_of(result), None, tone_of(result)), _remark(row)


def _result(row: dict[str, Any]) -> str:
    if not row["ok"]:
        return "refused"
    return "sent" if row["queued"] else str(row["state"])


def _remark(row: dict[str, Any]) -> str | None:
    error = row["error"]
    if error is not None:
        return f"{error['message']} ({error['hint']})" if error["hint"] else str(error["message"])
    return next((str(item["message"]) for item in row["items"] if item["message"]), None)
