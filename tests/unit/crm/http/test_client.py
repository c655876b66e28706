"""What an answer can be, and what becomes of the token, the budget and the breaker meanwhile."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest

from account_reviews.crm.http.breaker import BreakerRules, LocalBreaker
from account_reviews.crm.http.budget import LocalBudget
from account_reviews.crm.http.client import ApiClient, Token
from account_reviews.crm.http.limits import Limits, Window, key_of
from account_reviews.crm.http.tokens import StaticToken
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmError,
    CrmRateLimitedError,
    CrmUnavailableError,
)

Handler = Callable[[httpx2.Request], httpx2.Response]
PAGE = "<!DOCTYPE html><html><body>We are busy</body></html>"


class Tokens:
    """Gives token-1, then token-2."""

    def __init__(self) -> None:
        self.number = 1

    async def token(self) -> Token:
        return Token(f"token-{self.number}", "https://shop.example.test")

    async def renewed(self, refused: Token) -> Token:
        if refused.value == f"token-{self.number}":
            self.number += 1
        return await self.token()

    def header(self, token: Token) -> Mapping[str, str]:
        return {"authorization": f"Bearer {token.value}"}


class Shop:
    """A client whose service answers what the test says."""

    def __init__(self, handler: Handler, *, limits: Limits | None = None, **options: Any) -> None:
        self.asked: list[httpx2.Request] = []
        self.handler = handler
        self.budget = LocalBudget(limits or Limits("shop", 2, patience=0.05))
        self.breaker = LocalBreaker("shop", BreakerRules(failures=3))
        options.setdefault("tokens", Tokens())
        self.client = ApiClient(
            service="shop",
            budget=self.budget,
            breaker=self.breaker,
            http=httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer), timeout=None),
            **options,
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self.handler(request)


def answering(status: int, **options: Any) -> Handler:
    return lambda _: httpx2.Response(status, **options)


def raising(error: Exception) -> Handler:
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise error

    return answer


async def test_a_request_carries_what_it_was_given() -> None:
    shop = Shop(answering(201, json={"id": 1}, headers={"Date": "Mon, 30 Nov 2026 10:00:00 GMT"}))
    answer = await shop.client.send(
        "POST", "/records", params={"a": "b c"}, json={"name": "Zoë"}, headers={"x-one": "1"},
        operation_id="op-1",
    )  # fmt: skip
    (request,) = shop.asked
    assert (request.method, str(request.url)) == (
        "POST",
        "https://shop.example.test/records?a=b+c",
    )
    assert json.loads(request.content) == {"name": "Zoë"}
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["x-operation-id"] == "op-1"
    assert request.headers["x-one"] == "1"
    assert (answer.status, answer.body) == (201, {"id": 1})
    assert answer.date is not None
    assert answer.date.isoformat() == "2026-11-30T10:00:00+00:00"


@pytest.mark.parametrize("status", [200, 204, 304, 404])
async def test_an_empty_body_is_no_document(status: int) -> None:
    answer = await Shop(answering(status)).client.send("GET", "/")
    assert (answer.status, answer.body) == (status, None)


@pytest.mark.parametrize("status", [200, 207, 400, 403, 404, 409, 412, 418])
async def test_other_answers_are_the_backend_s_to_map(status: int) -> None:
    answer = await Shop(answering(status, json={"code": "X"})).client.send("GET", "/")
    assert (answer.status, answer.body) == (status, {"code": "X"})


@pytest.mark.parametrize(
    ("handler", "error", "said"),
    [
        (answering(500, json={}), CrmUnavailableError, "answers 500"),
        (answering(503, text=PAGE), CrmUnavailableError, "answers 503"),
        (answering(200, html=PAGE), CrmUnavailableError, "web page"),
        (answering(404, html=PAGE), CrmUnavailableError, "web page"),
        (answering(200, content=PAGE.encode()), CrmUnavailableError, "web page"),
        (answering(200, text="{'a': 1"), CrmUnavailableError, "no JSON"),
        (answering(530, json={}), CrmAuthError, "530"),
        (raising(httpx2.ConnectError("refused")), CrmUnavailableError, "cannot be reached"),
        (raising(httpx2.ReadTimeout("slow")), CrmUnavailableError, "in time"),
        (raising(httpx2.RemoteProtocolError("cut")), CrmUnavailableError, "broke the connection"),
        (raising(ConnectionResetError("gone")), CrmUnavailableError, "broke the connection"),
        (answering(200, content=b"x" * 2000), CrmUnavailableError, "larger than 1,000 bytes"),
    ],
)
async def test_what_is_no_answer(handler: Handler, error: type[CrmError], said: str) -> None:
    with pytest.raises(error, match=said):
        await Shop(handler, largest=1000).client.send("GET", "/")


async def test_only_a_connection_that_never_stood_sent_nothing() -> None:
    for error, sent in (
        (httpx2.ConnectError(""), False), (httpx2.ConnectTimeout(""), False),
        (httpx2.ReadTimeout(""), True), (httpx2.ReadError(""), True),
    ):  # fmt: skip
        with pytest.raises(CrmUnavailableError) as caught:
            await Shop(raising(error)).client.send("POST", "/")
        assert caught.value.sent is sent


async def test_a_large_record_and_every_character_come_through() -> None:
    notes = "שלום 🎉 " * 600_000
    answer = await Shop(answering(200, json={"notes": notes})).client.send("GET", "/")
    assert answer.body["notes"] == notes


async def test_half_characters_and_odd_numbers_are_read() -> None:
    shop = Shop(answering(200, content=b'{"a": "\\ud83d", "b": 1e999, "c": NaN}'))
    body = (await shop.client.send("GET", "/")).body
    assert (body["a"], body["c"]) == ("\ud83d", None)


async def test_the_whole_call_has_a_time_limit() -> None:
    async def drip(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(30)
        return httpx2.Response(200)

    client = ApiClient(
        service="shop", tokens=Tokens(), budget=LocalBudget(Limits("shop", 1)),
        breaker=LocalBreaker("shop"), timeout=0.01,
        http=httpx2.AsyncClient(transport=httpx2.MockTransport(drip), timeout=None),
    )  # fmt: skip
    with pytest.raises(CrmUnavailableError, match="in time") as caught:
        await client.send("GET", "/")
    assert caught.value.sent


async def test_a_refused_token_is_renewed_once() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if request.headers["authorization"].endswith("2") else 401)

    shop = Shop(answer)
    assert (await shop.client.send("GET", "/")).status == 200
    assert len(shop.asked) == 2


async def test_a_second_refusal_is_a_matter_of_credentials() -> None:
    shop = Shop(answering(401, json={"code": "INVALID_TOKEN"}))
    with pytest.raises(CrmAuthError, match="also with a new token"):
        await shop.client.send("GET", "/")
    assert len(shop.asked) == 2


async def test_a_key_of_a_person_is_not_renewed() -> None:
    shop = Shop(answering(401), tokens=StaticToken("k", "https://shop.example.test", header="x-k"))
    with pytest.raises(CrmAuthError):
        await shop.client.send("GET", "/")
    assert [request.headers["x-k"] for request in shop.asked] == ["k"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            {
                "retry-after": "Mon, 30 Nov 2026 10:00:30 GMT",
                "date": "Mon, 30 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        ({}, 1.0),
        ({"retry-after": "soon"}, 1.0),
        ({"retry-after": "nan"}, 1.0),
        ({"retry-after": "-5"}, 1.0),
    ],
)
async def test_a_rate_limit_says_when_to_come_again(
    headers: dict[str, str], seconds: float
) -> None:
    shop = Shop(answering(429, headers=headers))
    with pytest.raises(CrmRateLimitedError) as caught:
        await shop.client.send("GET", "/")
    assert caught.value.retry_after == seconds
    with pytest.raises(CrmRateLimitedError):  # and nobody asks before
        await shop.client.send("GET", "/")
    assert len(shop.asked) == 1


async def test_an_open_breaker_asks_nobody() -> None:
    shop = Shop(answering(502))
    for _ in range(3):
        with pytest.raises(CrmUnavailableError):
            await shop.client.send("GET", "/")
    with pytest.raises(CrmUnavailableError, match="left alone") as caught:
        await shop.client.send("POST", "/")
    assert len(shop.asked) == 3
    assert not caught.value.sent
    assert caught.value.retry_after == pytest.approx(60, abs=5)


async def test_answers_of_the_service_do_not_open_it() -> None:
    shop = Shop(answering(404, json={}))
    for _ in range(5):
        assert (await shop.client.send("GET", "/")).status == 404
    shop.handler = answering(530)
    for _ in range(5):
        with pytest.raises(CrmAuthError):
            await shop.client.send("GET", "/")


async def test_credits_are_spent_as_a_call_says() -> None:
    limits = Limits("shop", 2, (Window(10, 60.0),), patience=0.05)
    shop = Shop(answering(200, json={}), limits=limits)
    await shop.client.send("POST", "/", credits=8)
    with pytest.raises(CrmRateLimitedError, match="used up"):
        await shop.client.send("POST", "/", credits=3)
    assert (await shop.client.send("GET", "/", credits=2)).status == 200


async def test_no_secret_and_no_query_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shop = Shop(raising(httpx2.ReadError("gone")))
    with pytest.raises(CrmUnavailableError) as caught:
        await shop.client.send("GET", "/records", params={"email": "ann@example.test"})
    said = f"{caught.value} {caught.value.hint} {caplog.text} {await Tokens().token()!r}"
    assert "ann@example.test" not in said
    assert "token-1" not in said


def test_limits_and_their_names() -> None:
    assert key_of("secret") == key_of("secret") != key_of("secret", "x")
    assert "secret" not in key_of("secret")
    with pytest.raises(BadInputError):
        Limits("shop", 0)


async def test_what_no_header_carries_is_not_repeated() -> None:
    """The library says what stands in the header that it refuses."""
    error = httpx2.LocalProtocolError("Illegal header value b'key-of-mine\\n'")
    shop = Shop(raising(error))
    with pytest.raises(CrmUnavailableError) as caught:
        await shop.client.send("GET", "/")
    assert "key-of-mine" not in f"{caught.value.message} {caught.value.hint}"
    assert not caught.value.sent
