"""Who sent it: each service proves it in its own way, over the bytes as they came.

A path without its secret lets nobody in. What is compared is compared in constant time.
"""

import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from standardwebhooks import Webhook, WebhookVerificationError

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import NegativeAnswerError
from account_reviews.notifications.webhook import checked_secret

TOLERANCE: Final = timedelta(minutes=5)
"""How old, or how far ahead, a signed time may be."""
_DECODED: Final = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'",
    "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
"""What HubSpot signs decoded, of an address."""

_log = logging.getLogger(__name__)


class NotProvenError(NegativeAnswerError):
    """It is not proven who sent this."""

    code = "not_proven"

    def __init__(self, why: str) -> None:
        self.why = why
        """For our log and the trail; whoever asks is told no more than the docstring."""
        super().__init__()


@dataclass(frozen=True)
class Secrets:
    """What proofs are checked with. None: nobody is let in there."""

    zoho_token: str | None = field(default=None, repr=False)
    zoho_secret: str | None = field(default=None, repr=False)
    hubspot_secret: str | None = field(default=None, repr=False)
    crm_secret: str | None = field(default=None, repr=False)
    web_url: str | None = None
    """The address that the CRM calls, up to the path."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As they are set. BadInputError for one that cannot be used."""
        crm = settings.secret("webhook_secret")
        return cls(
            zoho_token=settings.secret("zoho_webhook_token"),
            zoho_secret=settings.secret("zoho_webhook_secret"),
            hubspot_secret=settings.secret("hubspot_client_secret"),
            crm_secret=None if crm is None else checked_secret(crm),
            web_url=None if settings.web_url is None else settings.web_url.rstrip("/"),
        )

    def missing(self) -> dict[str, str]:
        """Path -> the settings without which nobody is let in there."""
        found = {}
        if self.zoho_token is None and self.zoho_secret is None:
            found["/webhooks/zoho"] = "REVIEWS_ZOHO_WEBHOOK_TOKEN or REVIEWS_ZOHO_WEBHOOK_SECRET"
        if self.hubspot_secret is None or self.web_url is None:
            names = {
                "REVIEWS_HUBSPOT_CLIENT_SECRET": self.hubspot_secret,
                "REVIEWS_WEB_URL": self.web_url,
            }
            unset = [name for name, value in names.items() if value is None]
            found["/webhooks/hubspot"] = " and ".join(unset)
        if self.crm_secret is None:
            found["/webhooks/crm"] = "REVIEWS_WEBHOOK_SECRET"
        return found


def prove_zoho(secrets: Secrets, headers: Mapping[str, str], body: bytes, document: Any) -> None:
    """Either the signature of the body, or the token in it. NotProvenError.

    A signature that is there and wrong is never made good by a token.
    """
    given = headers.get("x-zoho-signature")
    if given is not None and secrets.zoho_secret is not None:
        made = hmac.new(secrets.zoho_secret.encode(), body, hashlib.sha256).hexdigest()
        signature = given.strip().lower().removeprefix("sha256=")
        if not _same(signature, made):
            raise NotProvenError("X-Zoho-Signature is not that of the body")
        return
    token = document.get("token") if isinstance(document, dict) else None
    if secrets.zoho_token is None:
        what = "has no X-Zoho-Signature" if given is None else "is signed"
        missing = "TOKEN" if given is None else "SECRET"
        raise NotProvenError(f"it {what}, and REVIEWS_ZOHO_WEBHOOK_{missing} is not set")
    if not isinstance(token, str) or not _same(token, secrets.zoho_token):
        raise NotProvenError("it has neither a signature that we know nor our token")


def prove_hubspot(
    secrets: Secrets,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    target: str,
    now: datetime,
) -> None:
    """`X-HubSpot-Signature-v3`, within 5 minutes. `target`: path and query. NotProvenError."""
    if secrets.hubspot_secret is None or secrets.web_url is None:
        missing = secrets.missing()["/webhooks/hubspot"]
        raise NotProvenError(f"{missing} is not set")
    stamp, given = headers.get("x-hubspot-request-timestamp"), headers.get("x-hubspot-signature-v3")
    if stamp is None or given is None:
        raise NotProvenError("it has no X-HubSpot-Signature-v3 with its timestamp")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 15:
        raise NotProvenError("its timestamp is no number")
    if abs(now.timestamp() - int(stamp) / 1000) > TOLERANCE.total_seconds():
        raise NotProvenError("its timestamp is more than 5 minutes away: compare the clocks")
    address = secrets.web_url + target
    key = secrets.hubspot_secret.encode()
    made = [
        base64.b64encode(
            hmac.digest(key, method.encode() + one.encode() + body + stamp.encode(), "sha256")
        ).decode()
        for one in (address, _decoded(address))
    ]
    # Both are compared, whichever it is.
    if True not in [_same(given.strip(), one) for one in made]:
        raise NotProvenError(
            "its signature is not that of the request: see whether REVIEWS_WEB_URL is the address"
            " that HubSpot calls"
        )


def prove_standard(secrets: Secrets, headers: Mapping[str, str], body: bytes) -> None:
    """Standard Webhooks, within 5 minutes. NotProvenError."""
    if secrets.crm_secret is None:
        raise NotProvenError("REVIEWS_WEBHOOK_SECRET is not set")
    try:
        Webhook(secrets.crm_secret).verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError as error:
        raise NotProvenError(str(error)) from None
    except (ValueError, binascii.Error, OverflowError):  # what is no signature at all
        raise NotProvenError("its headers are no Standard Webhooks signature") from None


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _decoded(address: str) -> str:
    for written, meant in _DECODED.items():
        address = address.replace(written, meant).replace(written.lower(), meant)
    return address
