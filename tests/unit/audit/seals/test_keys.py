"""Signing keys: made once, closed to others, and remembered after a rotation."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from account_reviews.audit.seals.keys import (
    PUBLIC_KEYS,
    PublicKeys,
    fingerprint,
    key_id,
    public_key_file,
    public_keys,
    signing_key,
)
from account_reviews.domain.errors import BadInputError
from tests.support.owners import give_away
from tests.support.waiting import PATIENCE


def test_made_when_missing_and_the_same_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "signing-key.pem"
    made = signing_key(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert signing_key(file).id == made.id == key_id(made.public)
    assert made.id in public_keys(file)
    assert public_keys(file).verify(made.id, made.sign(b"seal"), b"seal")
    assert not public_keys(file).verify(made.id, made.sign(b"seal"), b"other")
    assert {path.name for path in file.parent.iterdir()} == {file.name, "public-keys.json"}
    assert made.private.private_bytes_raw().hex() not in repr(made)


def test_two_processes_at_once_get_the_same(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    code = (
        "import sys; from pathlib import Path; "
        "from account_reviews.audit.seals.keys import signing_key; "
        "sys.stdin.readline(); print(signing_key(Path(sys.argv[1])).id)"
    )
    command = [sys.executable, "-c", code, str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=PATIENCE)[0].strip() for process in processes}
    assert ids == {signing_key(file).id}
    assert len(public_keys(file)) == 1


def test_old_seals_are_checked_after_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    old = signing_key(file)
    signature = old.sign(b"seal")
    file.unlink()
    new = signing_key(file)
    assert new.id != old.id
    assert public_keys(file).verify(old.id, signature, b"seal")
    assert new.id in public_keys(file)


def test_a_directory_that_takes_no_public_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mounted secret is read-only: sealing goes on, and the key in use is known all the same."""
    made = signing_key(tmp_path / "key.pem")
    (tmp_path / "public-keys.json").unlink()

    def read_only(**_: object) -> tuple[int, str]:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", read_only)
    assert signing_key(tmp_path / "key.pem").id == made.id
    assert made.public.hex() in caplog.text
    assert made.id in public_keys(tmp_path / "key.pem")


def test_a_key_that_somebody_was_given(tmp_path: Path) -> None:
    made = signing_key(tmp_path / "key.pem")
    pem = tmp_path / "public.pem"
    public = made.private.public_key()
    pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for file in (pem, tmp_path / "public-keys.json"):
        assert public_key_file(file).all_raw() == [made.public]


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    curve = generate_private_key(SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content, words in ((b"hello", "no private key"), (pem, "not an Ed25519 key")):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(BadInputError, match=words):
            signing_key(file)
    file.chmod(0o644)
    with pytest.raises(BadInputError, match="open to others") as error:
        signing_key(file)
    assert error.value.hint == f"run `chmod 600 {file}`"
    with pytest.raises(BadInputError, match="cannot be read"):
        signing_key(tmp_path)
    with pytest.raises(BadInputError, match="no Ed25519 public key"):
        public_key_file(file)
    with pytest.raises(BadInputError, match="cannot be read"):
        public_key_file(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["[]", "{", '{"abc": "00"}', '{"abc": 5}', '{"abc": "zz"}'])
def test_public_keys_that_were_changed_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "public-keys.json").write_text(content)
    with pytest.raises(BadInputError, match=r"public-keys\.json"):
        public_keys(tmp_path / "key.pem")


def test_a_public_key_under_a_wrong_id_is_refused(tmp_path: Path) -> None:
    """Else whoever may write the file could pass a key of his own off as the old one."""
    made, other = signing_key(tmp_path / "a.pem"), signing_key(tmp_path / "b" / "b.pem")
    swapped = json.dumps({made.id: other.public.hex()})
    (tmp_path / "public-keys.json").write_text(swapped)
    with pytest.raises(BadInputError, match="by their ids"):
        public_keys(tmp_path / "a.pem")
    assert len(PublicKeys()) == 0


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed to all but him: he signs with it as well."""
    signing_key(tmp_path / "key.pem")
    give_away(tmp_path / "key.pem", monkeypatch)
    with pytest.raises(BadInputError, match=r"belongs to user .*sign with it as well"):
        signing_key(tmp_path / "key.pem")


def test_public_keys_of_another_user_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.pem"
    key = signing_key(file)
    give_away(tmp_path / PUBLIC_KEYS, monkeypatch)
    with pytest.raises(BadInputError, match="not believed: it belongs to user"):
        public_keys(file)
    assert key.id in public_key_file(tmp_path / PUBLIC_KEYS), "this one was named"


def test_a_fingerprint_picks_a_key(tmp_path: Path) -> None:
    keys = [signing_key(tmp_path / name).public for name in ("a.pem", "b.pem")]
    found = PublicKeys(keys)
    assert found.only({fingerprint(keys[0])}).all_raw() == [keys[0]]
    assert len(found.only(set())) == 0
    assert fingerprint(keys[1]).startswith(signing_key(tmp_path / "b.pem").id)


def test_of_known_keys_only_the_pinned_ones_are_believed(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    made = signing_key(file)
    assert made.id in public_keys(file, {fingerprint(made.public)})
    assert len(public_keys(file, {fingerprint(b"somebody else's")})) == 0
