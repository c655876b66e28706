"""Fakes inside a test: asked without a port."""

import httpx2

from account_reviews.fakes.framework import ConnectionDroppedError, FakeApp

FAKE_URL = "http://localhost:8999"


class FakeTransport(httpx2.AsyncBaseTransport):
    """Asks the fake; a connection that it drops is what a client sees of one."""

    def __init__(self, app: FakeApp) -> None:
        self._inner = httpx2.ASGITransport(app=app.asgi)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionDroppedError as error:
            raise httpx2.RemoteProtocolError(str(error), request=request) from error


def client_of(app: FakeApp, **settings: object) -> httpx2.AsyncClient:
    """An HTTP client whose every request goes to the fake."""
    return httpx2.AsyncClient(transport=FakeTransport(app), base_url=FAKE_URL, **settings)  # type: ignore[arg-type]
