"""Signatures that another program has made, and shapes that other services send."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.crm_events import Delivery
from account_reviews.domain.errors import BadInputError
from account_reviews.web.notices import parse, read_hubspot, read_standard, read_zoho
from account_reviews.web.proofs import NotProvenError, Secrets, prove_hubspot, prove_zoho

SECRETS = Secrets(
    zoho_secret="zoho-secret",
    hubspot_secret="hubspot-secret",
    web_url="https://reviews.example",
)
ZOHO = b'{"module":"Accounts","operation":"update","ids":["1"]}'
BY_OPENSSL = "f00552819cb1939d966c707a9f710de5e94a703d0e7f45368a8fbc6f847a50a8"
"""openssl dgst -sha256 -hmac zoho-secret"""
HUBSPOT = b'[{"eventId":1}]'
AT = datetime.fromtimestamp(1795000000, UTC)
TARGET = "/webhooks/hubspot?a=b%3Ac"
ENCODED = "J31gJi6rtgPWaX9d9oeMyYEsSIgMWAVHNJ9GWFMBgXE="
DECODED = "U4C+ahItDzcKT5p+vvdBLx1mJ/5wOunX9LpZQyQmzkw="
"""openssl dgst -sha256 -hmac hubspot-secret -binary, of POST, address, body and 1795000000000."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("given", [BY_OPENSSL, BY_OPENSSL.upper(), f"sha256={BY_OPENSSL}"])
def test_a_signature_of_zoho(given: str) -> None:
    prove_zoho(SECRETS, {"x-zoho-signature": given}, ZOHO, None)
    with pytest.raises(NotProvenError):
        prove_zoho(SECRETS, {"x-zoho-signature": given}, ZOHO + b"\n", None)


@pytest.mark.parametrize("signature", [ENCODED, DECODED])
def test_a_signature_of_hubspot_over_the_address_as_it_was_called_or_decoded(
    signature: str,
) -> None:
    headers = {
        "x-hubspot-signature-v3": signature,
        "x-hubspot-request-timestamp": "1795000000000",
    }
    prove_hubspot(SECRETS, headers, HUBSPOT, method="POST", target=TARGET, now=AT)
    for method, target in (("PUT", TARGET), ("POST", "/webhooks/hubspot")):
        with pytest.raises(NotProvenError):
            prove_hubspot(SECRETS, headers, HUBSPOT, method=method, target=target, now=AT)


@given(document=JSON)
def test_any_json_is_a_change_or_refused_in_a_sentence(document: Any) -> None:
    body = json.dumps(document).encode()
    for read in (
        lambda: read_zoho(document, {}, body),
        lambda: read_hubspot(document),
        lambda: read_standard(document, {"webhook-id": "m"}),
    ):
        found = read_or_refusal(read)
        assert all(isinstance(one, Delivery) for one in found)


@given(
    body=st.fixed_dictionaries(
        {"module": st.text(), "operation": st.text(), "ids": st.lists(JSON, max_size=3)},
        optional={"server_time": JSON, "id": JSON, "data": JSON},
    )
)
def test_what_looks_like_a_notification_of_zoho_is_one_or_refused(body: Any) -> None:
    for one in read_or_refusal(lambda: read_zoho(body, {}, b"")):
        assert all(event.record_id.isprintable() for event in one.events)


@given(body=st.binary(max_size=50))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    read_or_refusal(lambda: [parse(body)])


def read_or_refusal(read: Any) -> list[Any]:
    with suppress(BadInputError):
        return list(read())
    return []
