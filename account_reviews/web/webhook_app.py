"""The app of the webhooks alone, for a server that the CRM reaches and people do not."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from account_reviews.web.crm_webhooks import CrmWebhooks


def create_webhook_app(webhooks: CrmWebhooks) -> Starlette:
    """The paths of the webhooks, and `/healthz`, which says that the process answers."""
    routes = [*webhooks.routes(), Route("/healthz", healthz, methods=["GET"])]
    app = Starlette(routes=routes, exception_handlers={404: _said, 405: _said, 500: _said})
    app.router.redirect_slashes = False  # it would lead wherever the Host header says
    return app


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"ok": True})


async def _said(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    texts = {404: "there is nothing at this path", 405: "this path takes POST"}
    message = texts.get(status, "something went wrong; the log of the server says what")
    document = {"error": {"code": f"http_{status}", "message": message, "hint": None}}
    return JSONResponse(document, status, getattr(error, "headers", None))
