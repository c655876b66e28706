"""A provider that cannot be used, and the keys of one that can."""

from pathlib import Path
from typing import Any

import pytest

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.web import provider as provider_module
from account_reviews.web.oidc import Client
from tests.support import provider as others
from tests.support.provider import EC, ISSUER, SECRET, Provider
from tests.support.provider_sign_in import signed_in
from tests.support.web_site import Web, open_web


@pytest.mark.parametrize(
    "changed",
    [
        {"slow": 5.0},
        {"huge": True},
        {"status": 500},
        {"elsewhere": {"/.well-known/openid-configuration": "http://127.0.0.1:9/other"}},
        {"metadata": {"issuer": "http://127.0.0.1:9/"}},
        {"metadata": {"authorization_endpoint": "javascript:alert(1)"}},
        {"metadata": {"authorization_endpoint": "http://evil.example/"}},
        {"metadata": {"token_endpoint": "http://me:pw@127.0.0.1:9/"}},
        {"metadata": {"jwks_uri": None}},
    ],
)
async def test_a_provider_that_cannot_be_used_is_not_used(
    web: Web, provider: Provider, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "SECONDS", 0.2)
    for name, value in changed.items():
        setattr(provider, name, value)
    answer = await web.browser().get("/login/oidc")
    assert answer.status_code == 503
    assert "location" not in answer.headers
    assert provider.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize("path", ["/token", "/keys"])
async def test_no_redirect_is_followed(web: Web, provider: Provider, path: str) -> None:
    provider.elsewhere = {path: f"{ISSUER}/other"}
    assert (await signed_in(web, provider)).status_code == 503
    assert "/other" not in provider.asked


async def test_a_new_key_is_looked_for_and_an_unknown_one_not_for_ever(
    web: Web, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.keys = [EC]
    assert (await signed_in(web, provider)).status_code == 401
    provider.keys = [EC, others.RSA]
    assert (await signed_in(web, provider)).status_code == 401
    assert provider.asked.count("/keys") == 1
    monkeypatch.setattr(provider_module, "_KEYS_AGAIN", 0.0)
    assert (await signed_in(web, provider)).status_code == 303
    assert (await signed_in(web, provider)).status_code == 303
    assert provider.asked.count("/keys") == 2


async def test_without_a_provider_there_is_no_such_way(database_url: str, tmp_path: Path) -> None:
    async with open_web(database_url, tmp_path) as web:
        assert (await web.browser().get("/login/oidc")).status_code == 404
        assert "/login/oidc" not in (await web.browser().get("/login")).text


def test_a_provider_needs_a_client_id(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="REVIEWS_OIDC_CLIENT_ID"):
        Client.of(Settings.load(data_dir=tmp_path, oidc_issuer=ISSUER))
    assert SECRET not in repr(Settings.load(oidc_client_secret=SECRET))
    with pytest.raises(BadInputError, match="REVIEWS_OIDC_ISSUER is"):
        Settings.load(oidc_issuer="http://idp.example")
