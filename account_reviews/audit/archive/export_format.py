"""How exports are spelled, signed and put on disk. Shared by those who write and who check."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import orjson

from account_reviews.audit.seals.keys import PublicKeys, SigningKey, key_id
from account_reviews.audit.seals.leaves import parse
from account_reviews.domain.canonical import canonical_json
from account_reviews.domain.errors import BadInputError, UnreachableError

RANGE_FORMAT: Final = "account-reviews-audit-range/1"
PROOF: Final = "proof"
"""The key beside the columns of a row: how it is proved, None while it is unsealed."""

_PURPOSE: Final = b"account-reviews audit export 1\n"
_LONGEST_NAME: Final = 180
_FILE_MODE: Final = 0o640


def sign(key: SigningKey, statement: Mapping[str, Any]) -> dict[str, str]:
    """A signature under what the export says of itself, as JSON."""
    return {"key_id": key.id, "signature": key.sign(_PURPOSE + canonical_json(statement)).hex()}


def is_signed(found: Mapping[str, Any], statement: Mapping[str, Any], keys: PublicKeys) -> bool:
    """True when a known key made the signature under exactly this statement."""
    try:
        signature = bytes.fromhex(str(found.get("signature")))
        return keys.verify(
            str(found.get("key_id")), signature, _PURPOSE + canonical_json(statement)
        )
    except (TypeError, ValueError):
        return False


def public_document(keys: PublicKeys) -> dict[str, str]:
    """Public keys by their ids, as hex."""
    return {key_id(raw): raw.hex() for raw in keys.all_raw()}


def public_from(document: object) -> PublicKeys:
    """The inverse. BadInputError for anything else."""
    found: Mapping[str, Any] = document if isinstance(document, Mapping) else {"": None}
    try:
        return PublicKeys(bytes.fromhex(text) for text in found.values())
    except (TypeError, ValueError):
        raise BadInputError("the export does not hold public keys by their ids") from None


def line(document: Mapping[str, Any]) -> bytes:
    """One line of a range."""
    try:
        return orjson.dumps(document) + b"\n"
    except TypeError:  # a number beyond 64 bits, which the standard library spells exactly
        return canonical_json(document) + b"\n"


def read_json(text: bytes, what: str) -> Any:
    """JSON, with large numbers as they are. BadInputError names `what`."""
    try:
        return parse(text)
    except (ValueError, RecursionError):
        raise BadInputError(f"{what} is not JSON", hint="it was cut off or changed") from None


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
