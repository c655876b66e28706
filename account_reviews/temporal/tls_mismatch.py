"""Why a service that listens does not answer: TLS towards a plain one, and the reverse."""

import asyncio
import ssl
from contextlib import suppress
from typing import Final

from account_reviews.domain.errors import UnreachableError

_SECONDS: Final = 2.0
_PLAINLY: Final = "Temporal does not answer as it is asked to"


async def explained(address: str, wanted_by: str | None) -> UnreachableError | None:
    """What is wrong with the use of TLS, None when it is not that.

    `wanted_by` says what asks for TLS; None: nothing does.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or not await _opens(host, int(port), None):
        return None
    speaks = await _opens(host, int(port), _any_certificate())
    if wanted_by is None:
        if not speaks:
            return None
        return UnreachableError(
            f"Temporal at {address} answers over TLS only, and none was asked for",
            hint="set TEMPORAL_TLS=true, and TEMPORAL_API_KEY or the TEMPORAL_TLS_... it needs",
            plainly=_PLAINLY,
        )
    if not speaks:
        return UnreachableError(
            f"Temporal at {address} answers without TLS only, and {wanted_by} asks for TLS",
            hint="unset it for this service, or correct TEMPORAL_ADDRESS",
            plainly=_PLAINLY,
        )
    return UnreachableError(
        f"Temporal at {address} answers over TLS, but not with what {wanted_by} gives",
        hint="check TEMPORAL_TLS_SERVER_CA_CERT_PATH, the client's certificate and the key",
        plainly=_PLAINLY,
    )


async def _opens(host: str, port: int, context: ssl.SSLContext | None) -> bool:
    try:
        opening = asyncio.open_connection(host, port, ssl=context)
        _, writer = await asyncio.wait_for(opening, _SECONDS)
    except (OSError, TimeoutError):  # an SSLError is an OSError
        return False
    writer.close()
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), _SECONDS)
    return True


def _any_certificate() -> ssl.SSLContext:
    """Nothing is sent over it: only whether the other side speaks TLS is asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
