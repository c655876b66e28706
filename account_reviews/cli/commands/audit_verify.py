"""`reviews audit verify`: was the trail altered, and is all of it there?"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal_if_there
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.audit.seals.keys import PublicKeys
    from account_reviews.audit.verify.offline_checker import Belief
    from account_reviews.audit.verify.verifier import Report
    from account_reviews.bootstrap import Parts
    from account_reviews.config.settings import Settings

SHOWN = 20
"""Findings that a person is shown; programs get all."""


def register(audit: typer.Typer) -> None:
    """Add the verb."""
    audit.command("verify")(verify_command)


def verify_command(
    since: Annotated[
        str | None, typer.Option(help="Only what was sealed since then: a date or a time.")
    ] = None,
    review: Annotated[
        str | None, typer.Option(help="Only this review: its id, or an account by its id or name.")
    ] = None,
    offline: Annotated[
        Path | None, typer.Option(help="An exported file: no database is needed.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Believe only this public key (PEM, or public-keys.json).")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Prove that the trail, or an export of it, is whole and unaltered. Exit code 1: it is not."""
    document = run(_verify(since, review, offline, key), output)
    if output is Format.JSON:
        print_json(document)
    else:
        _print(document)
    leave(0 if document["ok"] else 1)


async def _verify(
    since: str | None, review: str | None, offline: Path | None, key: Path | None
) -> dict[str, Any]:
    from account_reviews.audit.seals.keys import public_key_file
    from account_reviews.cli.parsing import parse_time
    from account_reviews.domain.errors import BadInputError

    if offline is not None and (since is not None or review is not None):
        raise BadInputError(
            "--offline checks the whole file", hint="leave --since and --review out"
        )
    if since is not None and review is not None:
        raise BadInputError("--since and --review do not go together", hint="give one of them")
    given = public_key_file(key) if key is not None else None
    if offline is not None:
        return _offline(offline, given)
    moment = parse_time(since, "--since") if since is not None else None
    async with open_session() as parts:
        keys = _known_keys(parts.settings) if given is None else given
        report = await _online(parts, moment, review, keys)
        return {**report.document(), "keys": _fingerprints(keys)}


def _offline(file: Path, given: "PublicKeys | None") -> dict[str, Any]:
    from account_reviews.audit.archive.archive_files import check_archive, is_archive
    from account_reviews.audit.seals.keys import PublicKeys
    from account_reviews.audit.verify.offline import verify_export
    from account_reviews.audit.verify.offline_checker import Belief
    from account_reviews.config.settings import Settings

    belief = Belief(given) if given is not None else _belief(Settings.load())
    if file.is_file() and is_archive(file):
        keys = belief.among(PublicKeys())
        document = check_archive(file, keys).document()
        document["signed"] = document["signed"] and belief.is_named
        return {**document, "warnings": belief.warnings(), "keys": _fingerprints(keys)}
    report = verify_export(file, belief=belief)
    return {**report.document(), "keys": _fingerprints(report.keys)}


def _belief(settings: "Settings") -> "Belief":
    """Pinned keys, else those that lie in the data directory, else the file's own."""
    from account_reviews.audit.verify.offline_checker import Belief

    pins, known = settings.pinned_keys, _known_keys(settings)
    if pins:
        return Belief(known, pins)
    if not len(known):
        return Belief()
    return Belief(known, found_in=str(settings.signing_key.parent))


def _fingerprints(keys: "PublicKeys") -> list[str]:
    from account_reviews.audit.seals.keys import fingerprint

    return sorted(map(fingerprint, keys.all_raw()))


async def _online(
    parts: "Parts", since: datetime | None, review: str | None, keys: "PublicKeys"
) -> "Report":
    from account_reviews.services.audit_proofs import verify
    from account_reviews.services.reviews import named_review_id

    review_id = await named_review_id(parts, review) if review is not None else None
    client = await temporal_if_there(parts)
    return await verify(parts, client, keys, since=since, review_id=review_id)


def _known_keys(settings: "Settings") -> "PublicKeys":
    from account_reviews.services.audit_proofs import known_keys

    return known_keys(settings)


def _print(document: dict[str, Any]) -> None:
    rows = [
        ("the trail is", _verdict(document)),
        ("rows checked", document["rows"]),
        ("seals checked", document["seals_checked"]),
        ("rows not sealed yet", document["unsealed"]),
        ("seals not in the second place yet", document.get("unanchored")),
        ("histories compared", document.get("histories")),
        ("histories gone from Temporal", document.get("histories_gone")),
    ]
    print_table(("what", "how it stands"), [row for row in rows if row[1] is not None])
    for key in document.get("keys", ()):
        note(f"believed: the key with the fingerprint {key}")
    for warning in document["warnings"]:
        note(f"warning: {warning}")
    first = document["first_bad"]
    if first is not None:
        say(f"first bad: {_described(first)}")
    names = ("differing", "missing", "extra", "bad_seals", "guards")
    found = [one for name in names for one in document.get(name, ())]
    for one in found[:SHOWN]:
        say(f"{_kind(one)}{_described(one)}")
    if len(found) > SHOWN:
        say(f"and {len(found) - SHOWN} more; -o json shows all")


def _verdict(document: dict[str, Any]) -> str:
    """`whole` is said where the histories show it, or a signature over the whole file."""
    if not document["ok"]:
        return "NOT as it was written"
    whole = document.get("histories") is not None or document.get("signed")
    return "whole and unaltered" if whole else "unaltered; whether it is whole see the warnings"


def _kind(finding: Any) -> str:
    return f"{finding['kind']}: " if isinstance(finding, dict) and "kind" in finding else ""


def _described(finding: Any) -> str:
    """One line: where it lies, and what is wrong."""
    if not isinstance(finding, dict):
        return str(finding)
    where = [finding["event_id"]] if finding.get("event_id") else []
    if finding.get("xid") is not None:
        where.append(f"row {finding['xid']}/{finding['seq']}")
    if finding.get("seal") is not None:
        where.append(f"seal {finding['seal']}")
    why = str(finding.get("why", ""))
    return f"{', '.join(where)}: {why}" if where else why
