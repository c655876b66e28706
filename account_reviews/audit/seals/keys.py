"""The key that signs seals, and the public keys that seals are checked with.

The sealing process reads the private key, and an export does where it may. The public halves of all
keys that ever signed stand beside it in `public-keys.json`, so that old seals can be checked after
the key was changed.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from account_reviews.config.ownership import why_not_ours_by
from account_reviews.domain.errors import BadInputError

KEY_MODE: Final = 0o600
PUBLIC_KEYS: Final = "public-keys.json"
_MOST: Final = 1024 * 1024
"""Bytes of a file of keys."""
_log = logging.getLogger(__name__)
_HINT: Final = "make one with `openssl genpkey -algorithm ed25519 -out FILE`, or name another file"


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 private key. Its text form shows the id only."""

    id: str
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes. The same data gives the same signature."""
        return self.private.sign(data)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return _raw(self.private.public_key())


class PublicKeys:
    """Public keys by their ids: whose signatures are believed."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        """Keys are 32 raw bytes each. ValueError for anything else."""
        self._keys = {key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for raw in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def raw(self, name: str) -> bytes | None:
        """The key itself, or None when there is none of that id."""
        key = self._keys.get(name)
        return None if key is None else _raw(key)

    def only(self, fingerprints: Collection[str]) -> "PublicKeys":
        """Those of them with one of these fingerprints."""
        return PublicKeys(raw for raw in self.all_raw() if fingerprint(raw) in fingerprints)

    def all_raw(self) -> list[bytes]:
        """Every key, 32 bytes each."""
        return [_raw(key) for key in self._keys.values()]

    def verify(self, name: str, signature: bytes, data: bytes) -> bool:
        """True when the key of that id is known and made the signature."""
        key = self._keys.get(name)
        if key is None:
            return False
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def key_id(public: bytes) -> str:
    """16 hex digits that name a public key of 32 bytes."""
    return fingerprint(public)[:16]


def fingerprint(public: bytes) -> str:
    """The SHA-256 of a public key of 32 bytes, 64 hex digits: what people compare and pin."""
    return hashlib.sha256(public).hexdigest()


def signing_key(file: Path) -> SigningKey:
    """The key in `file`, made when the file is missing; its public half is written beside it.

    Several processes may ask at once: all get the same key. BadInputError names the file that
    cannot be read, is no Ed25519 key, or is open to others.
    """
    key = _load(file) or _create(file)
    _remember(file.parent / PUBLIC_KEYS, key)
    return key


def public_keys(file: Path, pins: Collection[str] = ()) -> PublicKeys:
    """The public keys beside the signing key `file`, and its own where it may be read.

    With `pins` only those with one of these fingerprints. Empty when there are none. BadInputError
    when what stands there cannot be used.
    """
    known = _read_public(file.parent / PUBLIC_KEYS)
    try:
        key = _load(file)
    except BadInputError:  # whoever checks need not be allowed to sign
        key = None
    found = PublicKeys([*known.values(), *([key.public] if key else [])])
    return found.only(pins) if pins else found


def public_key_file(file: Path) -> PublicKeys:
    """The keys of a file somebody was given: PEM, or a `public-keys.json`. BadInputError."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST)
    except OSError as error:
        raise BadInputError(f"the key file {file} cannot be read: {error.strerror}") from None
    if text.lstrip().startswith(b"{"):
        return PublicKeys(_read_public(file, given=True).values())
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadInputError(f"{file} holds no Ed25519 public key in PEM form")
    return PublicKeys([_raw(key)])


def _load(file: Path) -> SigningKey | None:
    try:
        with file.open("rb") as stream:
            text, found = stream.read(), os.fstat(stream.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInputError(
            f"the signing key {file} cannot be read: {error.strerror}", hint=_HINT
        ) from None
    why, mode = why_not_ours_by(found), found.st_mode
    if why is not None:
        raise BadInputError(
            f"the signing key {file} {why}, who could sign with it as well", hint=_HINT
        )
    if mode & 0o077:
        raise BadInputError(
            f"the signing key {file} is open to others (mode {mode & 0o777:o})",
            hint=f"run `chmod 600 {file}`",
        )
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInputError(f"{file} holds no private key in PEM form", hint=_HINT) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise BadInputError(f"the private key in {file} is not an Ed25519 key", hint=_HINT)
    return SigningKey(key_id(_raw(private.public_key())), private)


def _create(file: Path) -> SigningKey:
    """Write a new key whole and only then give it its name: nobody ever reads half of one."""
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = _write_beside(file, pem)
        try:
            os.link(written, file)  # fails when somebody else was first: then theirs counts
        except FileExistsError:
            pass
        finally:
            written.unlink()
    except OSError as error:
        raise BadInputError(
            f"the signing key {file} cannot be made: {error.strerror}", hint=_HINT
        ) from None
    found = _load(file)
    assert found is not None
    return found


def _remember(file: Path, key: SigningKey) -> None:
    known = _read_public(file)
    if key.id in known:
        return
    known[key.id] = key.public
    text = json.dumps({name: raw.hex() for name, raw in known.items()}, indent=2) + "\n"
    try:
        written = _write_beside(file, text.encode())
        written.chmod(0o644)
        written.replace(file)
    except OSError as error:  # as in a mounted secret: seals can be signed all the same
        _log.warning(
            "the public key %s (%s) cannot be kept in %s: %s; keep it, or nobody can check old "
            "seals after the key was changed",
            *(key.id, key.public.hex(), file, error.strerror),
        )


def _read_public(file: Path, *, given: bool = False) -> dict[str, bytes]:
    """`given`: somebody named the file, so it counts whose ever it is."""
    try:
        with file.open("rb") as stream:
            text, why = stream.read(_MOST), why_not_ours_by(os.fstat(stream.fileno()))
        found = json.loads(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInputError(f"{file} is not JSON", hint="put the copy of a backup there") from None
    if why is not None and not given:
        raise BadInputError(
            f"the public keys in {file} are not believed: it {why}",
            hint="name a file that you were given with --key",
        )
    return _checked(file, found)


def _checked(file: Path, found: object) -> dict[str, bytes]:
    """`{"id": "64 hex digits"}`, each id the one its key has."""
    keys: dict[str, bytes] = {}
    for name, text in found.items() if isinstance(found, Mapping) else [("", None)]:
        raw = _unhex(text)
        if len(raw) != 32 or key_id(raw) != name:
            raise BadInputError(
                f"{file} does not hold public keys by their ids: {name!r} is not one",
                hint="put the copy of a backup there",
            )
        keys[name] = raw
    return keys


def _unhex(text: object) -> bytes:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _write_beside(file: Path, content: bytes) -> Path:
    """A new file in the same directory, of mode 0600, on disk."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return Path(name)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
