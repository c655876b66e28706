"""Taking a person or an account out of documents. Pure.

What was erased reads `(erased)`; ids, hashes, states and times stay, so that what refers to a
document, or to a record of the CRM, still can be read.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from account_reviews.domain.base import Model
from account_reviews.domain.errors import BadInputError

ERASED: Final = "(erased)"
SHORTEST: Final = 3
"""Characters of a name or address by which somebody can be found."""
LONGEST: Final = 500

_PHONE: Final = re.compile(r"[+()\d\s./-]+")
PHONE_DIGITS: Final = 7
"""A text of signs and at least so many digits is a phone number."""
_KEPT: Final = frozenset({
    "id", "hash", "version", "run_id", "review_id", "workflow_id", "workflow_run_id", "account_id",
    "request_id", "item_id", "change_id", "decision_id", "cycle_id", "schedule_id", "tenant",
    "recommendation_id", "evidence_hash", "analysis_hash", "snapshot_hash", "policy_hash",
    "kind", "type", "state", "status", "phase", "from_phase", "to_phase", "outcome", "action",
    "decision", "rule", "severity", "priority", "level", "band", "risk_level", "health_band",
    "format", "at", "stage", "modules",
})  # fmt: skip
"""Keys whose values say which and how, not who."""
_OF_A_CONTACT: Final = ("email", "phone", "title", "url")


class ErasureKind(StrEnum):
    ACCOUNT = "account"
    PERSON = "person"


class Subject(Model):
    """A person as texts name him or her."""

    names: tuple[str, ...]
    """Names, e-mail addresses, phone numbers: each as a whole, in any case."""
    contact_ids: tuple[str, ...] = ()
    """Records of the CRM that are this person. They stay; what they say of the person goes."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        found = sorted({_clean(name) for name in self.names} - {""}, key=len, reverse=True)
        return re.compile("|".join(map(_spelled, found)) or r"(?!)", re.IGNORECASE)

    def is_in(self, text: str) -> bool:
        """True when the text names the person."""
        return self._pattern.search(_normal(text)) is not None

    def out_of(self, text: str) -> str:
        """The text without the person; as it is when it does not name him or her."""
        redacted, times = self._pattern.subn(ERASED, _normal(text))
        return redacted if times else text


def subject_of(given: Iterable[str], contacts: Iterable[Mapping[str, Any]] = ()) -> Subject:
    """Whoever is named so, and everything that the contacts that are meant are known by.

    BadInputError for what is too short to find anybody by.
    """
    known = tuple(contacts)
    ids = tuple(dict.fromkeys(str(one["id"]) for one in known))
    names = [_clean(name) for name in given]
    for name in names:
        check_name(name)
    for one in known:
        names += [one[key] for key in ("name", "email", "phone") if one.get(key)]
    # An id stays where it is, unless it is all that is known of the person.
    wanted = [name for name in names if name not in ids and len(name) >= SHORTEST]
    return Subject(names=tuple(dict.fromkeys(wanted)), contact_ids=ids)


def check_name(name: str) -> str:
    """BadInputError for what nobody can be found by."""
    found = _clean(name)
    if len(found) < SHORTEST or not any(letter.isalnum() for letter in found):
        raise BadInputError(
            f"nobody can be found by {name!r}",
            hint="give a full name, an e-mail address, a phone number or a contact id",
        )
    if len(found) > LONGEST:
        raise BadInputError(f"a name has {len(found)} characters, but {LONGEST} is the most")
    return found


def is_contact(contact: Mapping[str, Any], wanted: str) -> bool:
    """True when the contact has this id, name, e-mail address or phone number."""
    if contact.get("id") == wanted:
        return True
    subject = Subject(names=(wanted,))
    values = (contact.get(key) for key in ("name", "email", "phone"))
    return any(
        isinstance(value, str) and subject.out_of(value).strip() == ERASED for value in values
    )


def without_person(document: Any, subject: Subject) -> Any:
    """The document with the person erased; equal to what was given when it names nobody of them."""
    match document:
        case str():
            return subject.out_of(document)
        case list() | tuple():
            return [without_person(one, subject) for one in document]
        case dict():
            return _record_without(document, subject)
        case _:
            return document


def _record_without(record: dict[str, Any], subject: Subject) -> dict[str, Any]:
    found = {
        key if key in _KEPT else subject.out_of(key): value
        if key in _KEPT and not isinstance(value, dict | list)
        else without_person(value, subject)
        for key, value in record.items()
    }
    if "email" in record and record.get("id") in subject.contact_ids:
        found |= {key: None for key in _OF_A_CONTACT if key in record} | {"name": ERASED}
    return found


def names_person(document: Any, subject: Subject) -> bool:
    """True when erasing the person changes the document."""
    return bool(without_person(document, subject) != document)


def without_account(document: Any, account_id: str, names: Iterable[str] = ()) -> Any:
    """A document about many accounts with one of them erased.

    What stands in a list of accounts and is this one goes; its name elsewhere is erased. Totals
    stay as they were.
    """
    subject = Subject(names=tuple(names))
    return _without(document, account_id, subject)


def _without(document: Any, account_id: str, subject: Subject) -> Any:
    match document:
        case str():
            return subject.out_of(document)
        case list() | tuple():
            kept = (one for one in document if not _is_of(one, account_id))
            return [_without(one, account_id, subject) for one in kept]
        case dict():
            return {
                key if key in _KEPT else subject.out_of(key): value
                if key in _KEPT and isinstance(value, str)
                else None
                if _is_of(value, account_id)
                else _without(value, account_id, subject)
                for key, value in document.items()
                if key != account_id
            }
        case _:
            return document


def _is_of(value: Any, account_id: str) -> bool:
    if isinstance(value, dict):
        record = value.get("record")
        of_record = isinstance(record, dict) and (record.get("type"), record.get("id")) == (
            "account",
            account_id,
        )
        return value.get("account_id") == account_id or of_record
    return bool(value == account_id)


def _clean(name: str) -> str:
    return " ".join(_normal(name).split())


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _spelled(name: str) -> str:
    """A pattern for the name as a whole; a phone number however it is written."""
    digits = re.sub(r"\D", "", name)
    if _PHONE.fullmatch(name) and len(digits) >= PHONE_DIGITS:
        return r"(?<![\w+])\+?\(?" + r"[\s()./-]*".join(digits) + r"(?!\w)"
    words = r"\s+".join(re.escape(word) for word in name.split())
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    after = r"(?!\w)" if re.search(r"\w$", name) else ""
    return f"{before}{words}{after}"
