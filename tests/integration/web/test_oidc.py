"""Signing in by a provider: who holds what the provider says, and what does not hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from account_reviews.domain.access.roles import Subject
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import add_user
from tests.support import provider as others
from tests.support.provider import CLIENT_ID, EC, Claims, Provider
from tests.support.provider_sign_in import POLICY, opened, refusals, signed_in
from tests.support.web_site import PASSWORD, Web


async def test_a_person_signs_in_with_the_roles_of_the_groups(web: Web, provider: Provider) -> None:
    browser = web.browser()
    assert "Sign in with 127.0.0.1" in (await browser.get("/login")).text
    answer = await signed_in(web, provider, browser, "/who?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/who?x=1")
    said = (await browser.get("/who")).json()
    assert said == {"name": "Ann@example.com", "roles": ["approver"], "groups": ["sales", "all"]}


async def test_reviews_know_who_signed_in_and_no_longer_than_a_sign_in_lasts(
    database_url: str, tmp_path: Path, provider: Provider
) -> None:
    policy = POLICY + '[access.users]\n"Bob" = ["admin"]\n'
    async with opened(database_url, tmp_path, provider, policy) as web:
        people, guard = web.parts.sign_ins.people, web.parts.guard

        async def may(name: str) -> bool:
            known = await people.find(guard.unknown(name))
            return guard.permission("decide", name, Subject(), known).allowed

        assert not await may("ann@example.com")
        await signed_in(web, provider)
        assert await may("ANN@example.com")
        await web.parts.statements.execute(
            "update reviews.people set until_at = now() where tenant = :tenant",
            tenant=web.parts.settings.tenant,
        )
        assert not await may("ann@example.com")


async def test_the_policy_has_the_last_word_on_roles(
    database_url: str, tmp_path: Path, provider: Provider
) -> None:
    policy = POLICY + '[access.users]\n"ann@example.com" = ["auditor"]\n'
    async with opened(database_url, tmp_path, provider, policy) as web:
        browser = web.browser()
        await signed_in(web, provider, browser)
        assert (await browser.get("/who")).json()["roles"] == ["auditor"]
        (tmp_path / "policy.toml").write_text(POLICY + '[access.users]\n"Bob" = ["admin"]\n')
        assert (await browser.get("/who")).json()["roles"] == ["approver"]


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": None},
        {"metadata": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}},
        {"make": lambda claims: others.signed(claims, EC, "ES256")},
        {"metadata": {"authorization_response_iss_parameter_supported": False}},
        {"change": lambda claims: {**claims, "aud": [CLIENT_ID, "x"], "azp": CLIENT_ID}},
        {"change": lambda claims: {k: v for k, v in claims.items() if k != "at_hash"}},
    ],
)
async def test_providers_differ(
    database_url: str, tmp_path: Path, provider: Provider, changed: dict[str, Any]
) -> None:
    for name, value in changed.items():
        setattr(provider, name, value)
    async with opened(database_url, tmp_path, provider) as web:
        assert (await signed_in(web, provider)).status_code == 303


def but(**claims: Any) -> Callable[[Claims], Claims]:
    return lambda said: {**said, **claims}


def without(name: str) -> Callable[[Claims], Claims]:
    return lambda said: {key: value for key, value in said.items() if key != name}


HOSTILE: dict[str, dict[str, Any]] = {
    "made for another sign-in": {"change": but(nonce="0" * 43)},
    "made for another sign-in ": {"change": without("nonce")},
    "not signed as it must be": {"make": others.unsigned},
    "not signed as it must be ": {"make": others.by_public_key},
    "not signed by the provider": {"make": lambda said: others.signed(said, others.OTHERS)},
    "not signed by the provider ": {"make": lambda said: others.signed(said)[:-8] + "AAAAAAAA"},
    "is no token": {"token": {"id_token": "bnVsbA.e30.AA"}},
    "is no token ": {"token": {"id_token": "...."}},
    "gives no id token": {"token": {"id_token": None}},
    "for somebody else": {"change": but(aud="another")},
    "for somebody else ": {"change": without("aud")},
    "asked for by somebody else": {"change": but(aud=[CLIENT_ID, "x"])},
    "asked for by somebody else ": {"change": but(azp="x")},
    "from another issuer": {"change": but(iss="http://127.0.0.1:9/")},
    "has ended": {"change": but(exp=1)},
    "has ended ": {"change": without("exp")},
    "of a time to come": {"change": but(iat=9_999_999_999)},
    "does not hold yet": {"change": but(nbf=9_999_999_999)},
    "belongs to another access token": {"token": {"access_token": "another"}},
    "says of nobody": {"change": but(sub="")},
    "nobody has verified that address": {"change": but(email_verified=False)},
    "has no email": {"change": without("email")},
    "is no name": {"change": but(email="x" * 201)},
    "are no names": {"change": but(groups={"sales": True})},
    "too many groups": {"change": but(groups=[f"g{n}" for n in range(201)])},
    "neither the person nor a group has a role": {"change": but(groups=["all"])},
}


@pytest.mark.parametrize("why", HOSTILE)
async def test_what_does_not_hold_signs_nobody_in(web: Web, provider: Provider, why: str) -> None:
    for name, value in HOSTILE[why].items():
        setattr(provider, name, value)
    browser = web.browser()
    answer = await signed_in(web, provider, browser)
    assert answer.status_code in (401, 403)
    assert "Sign in" in answer.text
    assert (await browser.get("/who")).status_code == 303
    (said,) = await refusals(web)
    assert why.strip() in said


async def test_an_answer_counts_once_and_in_its_own_browser(web: Web, provider: Provider) -> None:
    mine, other = web.browser(), web.browser()
    back = provider.authorize((await mine.get("/login/oidc")).headers["location"])
    stolen = await other.get("/login/oidc/callback", params=back)
    assert stolen.status_code == 401
    await other.get("/login/oidc")
    back = provider.authorize((await mine.get("/login/oidc")).headers["location"])
    assert (await other.get("/login/oidc/callback", params=back)).status_code == 401
    assert (await mine.get("/login/oidc/callback", params=back)).status_code == 401
    back = provider.authorize((await mine.get("/login/oidc")).headers["location"])
    assert (await mine.get("/login/oidc/callback", params=back)).status_code == 303
    assert (await mine.get("/login/oidc/callback", params=back)).status_code == 401
    assert await refusals(web) == [
        "the answer is to no sign-in of this browser",
        "the answer is to a sign-in of another browser",
        "the answer is to no sign-in under way",
    ]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"iss": "http://127.0.0.1:8"}, "from another provider"),
        ({"error": "access_denied"}, "gives no code"),
        ({"code": ""}, "gives no code"),
        ({"code": "another"}, "answers 400 to the code"),
        ({"state": "another"}, "no sign-in under way"),
    ],
)
async def test_other_answers_are_refused(
    web: Web, provider: Provider, params: dict[str, str], why: str
) -> None:
    browser = web.browser()
    back = provider.authorize((await browser.get("/login/oidc")).headers["location"])
    answer = await browser.get("/login/oidc/callback", params={**back, **params})
    assert answer.status_code == 401
    (said,) = await refusals(web)
    assert why in said


async def test_an_answer_that_takes_too_long_is_refused(web: Web, provider: Provider) -> None:
    browser = web.browser()
    back = provider.authorize((await browser.get("/login/oidc")).headers["location"])
    await web.parts.statements.execute(
        "update reviews.web_sign_ins set ends_at = now() where tenant = :tenant",
        tenant=web.parts.settings.tenant,
    )
    assert (await browser.get("/login/oidc/callback", params=back)).status_code == 401
    assert await refusals(web) == ["the answer came too late"]


async def test_a_local_user_is_not_somebody_of_the_provider(web: Web, provider: Provider) -> None:
    await add_user(web.parts, "ann@example.com", [Role.ADMIN], [], PASSWORD)
    answer = await signed_in(web, provider)
    assert answer.status_code == 403
    assert "signs in with a password" in answer.text
