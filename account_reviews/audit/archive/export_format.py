"""How exports are spelled, signed and put on disk. Shared by those who write and who check."""

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import orjson

from account_reviews.audit.seals.keys import PublicKeys, SigningKey, key_id
from account_reviews.audit.seals.leaves import is_too_deep
from account_reviews.domain.canonical import canonical_json
from account_reviews.domain.errors import BadInputError, NegativeAnswerError, UnreachableError

RANGE_FORMAT: Final = "account-reviews-audit-range/1"
PROOF: Final = "proof"
"""The key beside the columns of a row: how it is proved, None while it is unsealed."""

ARCHIVED: Final = "archived"
FOREIGN: Final = "of another tenant"
HIDDEN: Final = (ARCHIVED, FOREIGN)
"""Why a row is only its leaf."""

_PURPOSE: Final = b"account-reviews audit export 1\n"
MOST_OF_A_LINE: Final = 32 * 1024 * 1024
"""Bytes. A longer line is none of ours, and would be held in memory whole."""

_LONGEST_NAME: Final = 180
_FILE_MODE: Final = 0o600


def sign(key: SigningKey, statement: Mapping[str, Any]) -> dict[str, str]:
    """A signature under what the export says of itself, as JSON."""
    return {"key_id": key.id, "signature": key.sign(_PURPOSE + canonical_json(statement)).hex()}


def is_signed(found: Mapping[str, Any], statement: Mapping[str, Any], keys: PublicKeys) -> bool:
    """True when a known key made the signature under exactly this statement."""
    try:
        signature = bytes.fromhex(str(found.get("signature")))
        if found != {"key_id": str(found.get("key_id")), "signature": signature.hex()}:
            return False
        return keys.verify(found["key_id"], signature, _PURPOSE + canonical_json(statement))
    except (TypeError, ValueError):
        return False


def public_document(keys: PublicKeys) -> dict[str, str]:
    """Public keys by their ids, as hex."""
    return {key_id(raw): raw.hex() for raw in keys.all_raw()}


def public_from(document: object) -> PublicKeys:
    """The inverse. BadInputError for anything else."""
    found: Mapping[str, Any] = document if isinstance(document, Mapping) else {"": None}
    try:
        keys = PublicKeys(bytes.fromhex(text) for text in found.values())
        if public_document(keys) == found:
            return keys
    except (TypeError, ValueError):
        pass
    raise BadInputError("the export does not hold public keys by their ids")


def line(document: Mapping[str, Any]) -> bytes:
    """One line of a range. NegativeAnswerError for one that nobody would read again."""
    try:
        spelled = orjson.dumps(document) + b"\n"
    except TypeError:  # a number beyond 64 bits, which the standard library spells exactly
        spelled = canonical_json(document) + b"\n"
    if len(spelled) > MOST_OF_A_LINE:
        raise NegativeAnswerError(
            f"{document.get('event_id', 'a row')} is longer than {MOST_OF_A_LINE // 2**20} MiB, "
            "and is not taken along"
        )
    return spelled


def read_json(text: bytes, what: str) -> Any:
    """JSON that says one thing only: no key twice, each number as we spell it.

    Whole numbers of any size stay as they are. BadInputError names `what`.
    """
    try:
        orjson.loads(text)  # knows what is no JSON at all, such as half a character
        value = json.loads(text, object_pairs_hook=_object, parse_float=_fraction)
        if not is_too_deep(value):
            return value
    except _TwiceError as error:
        raise BadInputError(
            f"{what} holds the key {error.key!r} twice", hint="no export does: it was changed"
        ) from None
    except (ValueError, RecursionError):
        pass
    raise BadInputError(f"{what} is not JSON", hint="it was cut off or changed")


def same(one: object, other: object) -> bool:
    """Equal, and of the same kinds: 1, 1.0, "1" and true are four values."""
    try:
        return canonical_json(one) == canonical_json(other)
    except (TypeError, ValueError, RecursionError):
        return False


def lines_of(stream: IO[bytes] | gzip.GzipFile, what: str) -> Iterator[bytes]:
    """The lines of a file. Packed, a line of gigabytes is small. BadInputError for one too long."""
    number = 0
    while text := stream.readline(MOST_OF_A_LINE + 1):
        number += 1
        if len(text) > MOST_OF_A_LINE:
            raise BadInputError(
                f"line {number} of {what} is longer than {MOST_OF_A_LINE // 2**20} MiB",
                hint="no export holds such a line",
            )
        yield text


class _TwiceError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key[:80]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _fraction(text: str) -> float:
    """ValueError when another text is the same number: one of the two was not written by us."""
    value = float(text)
    if text not in (repr(value), orjson.dumps(value).decode()):
        raise ValueError(text)
    return value


def safe_name(review_id: str, run_id: str | None = None) -> str:
    """A file name of ids: `review/ac-034` -> `review_ac-034`. Different ids never meet."""
    parts = [*review_id.split("/"), *([run_id] if run_id else [])]
    name = "_".join(
        quote(part, safe="%").replace("~", "%7E").replace("_", "%5F").lstrip(".") for part in parts
    )
    if len(name) <= _LONGEST_NAME and not any(part.startswith(".") for part in parts):
        return name
    return f"{name[: _LONGEST_NAME - 20]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


@contextmanager
def written_whole(file: Path) -> Iterator[IO[bytes]]:
    """A stream that becomes `file` at the end, or nothing when anything fails on the way.

    BadInputError, before anything is read, when nothing can be written there.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise BadInputError(f"{file} is a directory", hint="name a file in it")
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:60]}.")
    except OSError as error:
        raise BadInputError(f"{file} cannot be written: {error.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            _finish(stream)
        part.chmod(_FILE_MODE)
        part.replace(file)
    except OSError as error:
        raise UnreachableError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _finish(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
