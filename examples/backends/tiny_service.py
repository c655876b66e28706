"""The service that `tiny_crm.py` speaks to, and how the contract suite fills it and disturbs it.

pytest --crm-backend examples.backends.tiny_service:world
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from account_reviews.crm.http.breaker import LocalBreaker
from account_reviews.crm.http.budget import LocalBudget
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.tokens import StaticToken
from account_reviews.crm.protocol import CrmBackend
from account_reviews.domain.records import AccountSnapshot, Owner, RecordType
from examples.backends.tiny_crm import MODELS, TinyCrm

Document = dict[str, Any]
_LISTS = {"contacts": "contact", "deals": "deal", "activities": "activity", "notes": "note",
          "tasks": "task"}  # fmt: skip


class Service:
    """All its records, by kind and id."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Document]] = {}
        self.owners: dict[str, Document] = {}
        self.operations: dict[str, Document] = {}
        self.lose: list[bool] = []
        self.app = Starlette(
            routes=[
                Route("/owners", self.list_owners),
                Route("/accounts", self.list_accounts),
                Route("/accounts/{id}/everything", self.everything),
                Route("/accounts/{id}/{kind}/{operation}", self.create, methods=["PUT"]),
                Route("/operations/{operation:path}", self.operation),
                Route("/{kind}/{id}", self.one, methods=["GET", "PATCH"]),
            ]
        )

    async def list_owners(self, _: Request) -> JSONResponse:
        return JSONResponse(list(self.owners.values()))

    async def list_accounts(self, request: Request) -> JSONResponse:
        after = request.query_params["after"]
        return JSONResponse(
            [a for _, a in sorted(self.records["account"].items()) if a["id"] > after]
        )

    async def everything(self, request: Request) -> JSONResponse:
        mine = request.path_params["id"]
        if mine not in self.records["account"]:
            return JSONResponse({}, 404)
        found: Document = {"account": [self.records["account"][mine]]}
        for kind in _LISTS.values():
            records = self.records.get(kind, {}).values()
            found[kind] = [one for one in records if one["account_id"] == mine]
        return JSONResponse(found)

    async def one(self, request: Request) -> JSONResponse:
        kind, record_id = request.path_params["kind"], request.path_params["id"]
        record = self.records.get(kind, {}).get(record_id)
        if record is None:
            return JSONResponse({}, 404)
        if request.method == "GET":
            return JSONResponse(record)
        if request.headers["If-Match"] != record["version"]:
            return JSONResponse(record, 412)
        fields = await request.json()
        return self._answered(lambda: change(record, fields), record)

    async def create(self, request: Request) -> JSONResponse:
        kind, account = request.path_params["kind"], request.path_params["id"]
        operation = request.path_params["operation"]
        if account not in self.records["account"]:
            return JSONResponse({}, 404)
        record = self.operations.get(operation)
        if record is not None:
            return JSONResponse(record)
        made = {"id": f"{kind}-{len(self.operations) + 1}", "version": "1", "account_id": account,
                "created_at": datetime.now(UTC).isoformat(), **await request.json()}  # fmt: skip

        def keep() -> None:
            self.operations[operation] = self.records.setdefault(kind, {})[made["id"]] = made

        return self._answered(keep, made)

    async def operation(self, request: Request) -> JSONResponse:
        found = self.operations.get(request.path_params["operation"])
        return JSONResponse(found or {}, 200 if found else 404)

    def _answered(self, make: Callable[[], None], record: Document) -> JSONResponse:
        """Make it, and lose the answer when that was asked for."""
        lost = self.lose.pop() if self.lose else None
        if lost is not False:
            make()
        if lost is not None:
            raise ConnectionResetError("the answer was lost")
        return JSONResponse(record)


def change(record: Document, fields: Document) -> None:
    """A record under a new version."""
    record |= {**fields, "version": str(int(record["version"]) + 1)}


class TinyWorld:
    """What the contract suite asks for."""

    def __init__(self) -> None:
        self.service = Service()
        self._http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.service.app))
        self.backend: CrmBackend = TinyCrm(self._api("http://tiny"), "default")

    def _api(self, url: str) -> ApiClient:
        return ApiClient(
            service="tiny",
            tokens=StaticToken(None, url),
            budget=LocalBudget(Limits("tiny", concurrency=5)),
            breaker=LocalBreaker("tiny"),
            http=self._http,
        )

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        service = self.service
        records: dict[str, dict[str, Document]] = {kind.value: {} for kind in MODELS}
        service.owners = {one.id: json.loads(one.model_dump_json()) for one in owners}
        service.operations.clear()
        for snapshot in snapshots:
            document = json.loads(snapshot.model_dump_json())
            records["account"][snapshot.account.id] = document["account"]
            for name, kind in _LISTS.items():
                records[kind] |= {one["id"]: one for one in document[name]}
        for deal in records["deal"].values():
            deal["stage_history"] = []  # which it does not keep
        service.records = records
        return {}

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        change(self.service.records[kind.value][record_id], fields)

    async def remove(self, kind: RecordType, record_id: str) -> None:
        del self.service.records[kind.value][record_id]

    async def lose_answer(self, *, committed: bool) -> None:
        self.service.lose.append(committed)

    async def disconnect(self) -> None:
        self._http = httpx2.AsyncClient()
        self.backend = TinyCrm(self._api("http://127.0.0.1:1"), "default")


@asynccontextmanager
async def world() -> AsyncIterator[TinyWorld]:
    yield TinyWorld()
