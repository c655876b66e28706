"""What another user can write is not believed."""

import json
import os
from pathlib import Path

import pytest

from account_reviews.config.ownership import why_not_ours
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from tests.support.owners import give_away


def stack_in(folder: Path, pid: int) -> Settings:
    folder.mkdir()
    document = {"pid": pid, "temporal_address": "127.0.0.1:1", "database_url": "postgresql://x/y"}
    (folder / "stack.json").write_text(json.dumps(document))
    return Settings.load(data_dir=folder)


def test_what_is_mine_is_believed(tmp_path: Path) -> None:
    settings = stack_in(tmp_path / "mine", os.getpid())
    assert settings.stack["temporal_address"] == "127.0.0.1:1"
    assert why_not_ours(tmp_path / "missing") is None
    assert Settings.load(data_dir=tmp_path / "missing").stack == {}


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stack_in(tmp_path / "theirs", os.getpid())
    give_away(tmp_path / "theirs", monkeypatch)
    for ask in (
        lambda: settings.stack,
        lambda: settings.signing_key,
        lambda: settings.seals_place,
        lambda: settings.archive_place,
        settings.require_database_url,
    ):
        with pytest.raises(BadInputError, match=r"theirs belongs to user .*not believed") as caught:
            ask()
        assert caught.value.exit_code == 2


def test_a_directory_that_everybody_writes_to_is_refused(tmp_path: Path) -> None:
    settings = stack_in(tmp_path / "open", os.getpid())
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(BadInputError, match="can be written to by everybody"):
        _ = settings.stack


def test_what_somebody_named_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker in a container names all places: nothing of the directory is asked for."""
    theirs = stack_in(tmp_path / "theirs", os.getpid()).data_dir
    give_away(theirs, monkeypatch)
    settings = Settings.load(
        data_dir=theirs,
        database_url="postgresql://ours/x",
        audit_signing_key=tmp_path / "key.pem",
        audit_seals="s3://bucket/seals",
        audit_archive="s3://bucket/archive",
    )
    assert settings.require_database_url() == "postgresql://ours/x"
    assert settings.signing_key == tmp_path / "key.pem"
    assert (settings.seals_place, settings.archive_place) == (
        "s3://bucket/seals",
        "s3://bucket/archive",
    )


def test_pins_are_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    pin = "0123456789abcdef" * 4
    monkeypatch.setenv("REVIEWS_AUDIT_KEYS", f"sha256:{pin.upper()}, {pin}")
    assert Settings.load().pinned_keys == {pin}
    monkeypatch.setenv("REVIEWS_AUDIT_KEYS", pin[:16])
    with pytest.raises(BadInputError, match="no fingerprint of a key"):
        _ = Settings.load().pinned_keys
