"""The fake Zoho CRM: who may ask, what it costs, and where a path leads."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from account_reviews.fakes.framework import Call, FakeApp, FakeOptions, Notice, Reply, Service
from account_reviews.fakes.zoho.channels import Channels
from account_reviews.fakes.zoho.errors import envelope, refused
from account_reviews.fakes.zoho.limits import Limits
from account_reviews.fakes.zoho.org import Org
from account_reviews.fakes.zoho.query import Answering, QueryError, parse
from account_reviews.fakes.zoho.reads import Reads
from account_reviews.fakes.zoho.schema import MODULES, PHONE, RELATED, TEXT
from account_reviews.fakes.zoho.seed import sow
from account_reviews.fakes.zoho.tokens import Tokens
from account_reviews.fakes.zoho.writes import Writes

ROOT: Final = "/crm/v8/"
_VERBS: Final = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}


@dataclass
class ZohoState:
    """What a test may look at and change."""

    org: Org
    tokens: Tokens
    limits: Limits
    channels: Channels


class ZohoService(Service):
    """Zoho CRM and its accounts server on one address."""

    name = "zoho"
    state: ZohoState

    def __init__(self, options: FakeOptions) -> None:
        org = Org(
            first_id=5_843_104_000_000_000_000 + options.seed % 1000 * 1_000_000,
            index_lag_s=float(options.extra.get("index_lag_s", 2.0)),
        )
        sow(org, accounts=options.accounts, seed=options.seed, now=options.now())
        limits = Limits(
            credits=int(options.extra.get("credits", 50_000)),
            window_s=options.window_s,
            concurrency=int(options.extra.get("concurrency", 10)),
        )
        life = int(options.extra.get("token_life_s", 3_600))
        self._secret = hashlib.sha256(f"fake zoho {options.seed} hook".encode()).hexdigest()
        channels = Channels(org, self._secret)
        self.state = ZohoState(org, Tokens(options.seed, life_s=life), limits, channels)
        self._options = options
        self._reads, self._writes = Reads(org), Writes(org)

    def env(self, url: str) -> dict[str, str]:
        tokens, limits = self.state.tokens, self.state.limits
        return {
            "REVIEWS_CRM_URL": "zoho://",
            "REVIEWS_ZOHO_CLIENT_ID": tokens.client_id,
            "REVIEWS_ZOHO_CLIENT_SECRET": tokens.client_secret,
            "REVIEWS_ZOHO_REFRESH_TOKEN": tokens.refresh_token,
            "REVIEWS_ZOHO_DATA_CENTRE": "com",
            "REVIEWS_ZOHO_ACCOUNTS_URL": url,
            "REVIEWS_ZOHO_API_URL": url,
            "REVIEWS_ZOHO_CONCURRENCY": str(limits.concurrency),
            "REVIEWS_ZOHO_DAILY_CREDITS": str(limits.credits),
            "REVIEWS_ZOHO_WINDOW_SECONDS": str(max(1, round(limits.window_s))),
            "REVIEWS_ZOHO_WEBHOOK_TOKEN": self._secret[:32],
            "REVIEWS_ZOHO_WEBHOOK_SECRET": self._secret,
        }

    def counts(self, call: Call) -> bool:
        return call.path.startswith(ROOT)

    def refuse(self, call: Call) -> Reply | None:
        limits = self.state.limits
        if not self.counts(call) or call.in_flight <= limits.concurrency:
            return None
        limits.refused_concurrency += 1
        return refused(429, "TOO_MANY_REQUESTS", {"limit": "concurrency"})

    def handle(self, call: Call) -> Reply:
        if call.path == "/oauth/v2/token" and call.method == "POST":
            return Reply(200, self.state.tokens.answer(call.form(), call.base_url, call.now))
        if call.path == "/oauth/v2/auth" and call.method == "GET":
            return self._consent(call)
        if not call.path.startswith(ROOT):
            return refused(404, "INVALID_URL_PATTERN")
        token = self.state.tokens.check(call.headers.get("authorization", ""), call.now)
        if token is None:
            return refused(401, "INVALID_TOKEN")
        call.token_id = str(token.number)
        call.operation_id = call.headers.get("x-operation-id")
        parts = [part for part in call.path.removeprefix(ROOT).split("/") if part]
        if not parts:
            return refused(404, "INVALID_URL_PATTERN")
        if not _allowed(token.scopes, _group(parts), _VERBS.get(call.method, "READ")):
            return refused(403, "OAUTH_SCOPE_MISMATCH")
        call.credits = _cost(call, parts)
        if not self.state.limits.spend(call.credits, call.now):
            return Reply(
                429,
                envelope("TOO_MANY_REQUESTS", {"limit": "credits"}),
                self.state.limits.headers(),
            )
        reply = self._route(call, parts)
        return Reply(reply.status, reply.body, {**self.state.limits.headers(), **reply.headers})

    def error(self, call: Call, status: int, code: str | None) -> Any:
        del call
        shipped = {
            401: "INVALID_TOKEN", 403: "NO_PERMISSION", 404: "INVALID_URL_PATTERN",
            412: "ALREADY_MODIFIED", 429: "TOO_MANY_REQUESTS",
        }  # fmt: skip
        return envelope(code or shipped.get(status, "INTERNAL_ERROR"))

    def revoke(self, call: Call) -> None:
        del call
        self.state.tokens.revoke_all()

    def edit(self, call: Call) -> None:
        """Somebody changes the record that the path names, in the texts that the call writes."""
        found = re.match(rf"{ROOT}(\w+)/(\d+)", call.path)
        org = self.state.org
        row = org.find(found[1], found[2]) if found and found[1] in org.rows else None
        if row is None:
            return
        fields = [org.fields[row.module].get(name) for name in _written_by(call)]
        names = [one.name for one in fields if one is not None and one.type in (TEXT, PHONE)]
        text = f"edited {len(row.changes) + 1}"
        by = next(iter(org.users))
        org.update(
            row, dict.fromkeys(names or ["Description"], text), call.now, by=by, guarded=True
        )

    def notices(self) -> Sequence[Notice]:
        return self.state.channels.notices(self._options.now())

    def _route(self, call: Call, parts: list[str]) -> Reply:
        match parts:
            case ["settings", what]:
                return self._settings(call, what)
            case ["org"]:
                return Reply(200, {"org": [self._org()]})
            case ["users", *rest]:
                return self._users(call, rest)
            case ["coql"] if call.method == "POST":
                return self._query(call)
            case ["actions", "watch"]:
                return self.state.channels.handle(call)
            case [module, *rest] if module in MODULES:
                return self._module(call, module, rest)
            case [_]:
                return refused(400, "INVALID_MODULE", {"resource_path_index": 0})
            case _:
                return refused(404, "INVALID_URL_PATTERN")

    def _module(self, call: Call, module: str, rest: list[str]) -> Reply:
        if call.method == "GET":
            return self._read(call, module, rest)
        match (call.method, *rest):
            case ("POST",):
                return self._writes.insert(call, module)
            case ("PUT",):
                return self._writes.update(call, module, None)
            case ("POST", "upsert"):
                return self._writes.upsert(call, module)
            case ("PUT" | "DELETE", key):
                return self._change(call, module, key)
            case _:
                return refused(404, "INVALID_URL_PATTERN")

    def _read(self, call: Call, module: str, rest: list[str]) -> Reply:
        reads = self._reads
        match rest:
            case []:
                return reads.page(call, module)
            case ["search"]:
                return reads.search(call, module)
            case ["deleted"]:
                return reads.deleted(call, module)
            case ["actions", "count"]:
                return reads.count(call, module)
            case [key]:
                return reads.one(call, module, key)
            case [key, "__timeline"]:
                return reads.timeline(call, module, key)
            case [key, name]:
                return reads.related(call, module, key, name)
            case _:
                return refused(404, "INVALID_URL_PATTERN")

    def _change(self, call: Call, module: str, key: str) -> Reply:
        row = self._reads.find(call, module, key)
        if isinstance(row, Reply):
            return row
        if row is None:
            element = envelope("INVALID_DATA", {"id": key})
            return Reply(404, {"data": [element]})
        if call.method == "DELETE":
            return self._writes.delete(call, row)
        return self._writes.update(call, module, row)

    def _query(self, call: Call) -> Reply:
        try:
            query = parse(str(call.json().get("select_query", "")))
            found, more = Answering(self.state.org, query).answer()
        except QueryError as error:
            return refused(400, error.code, error.details, str(error))
        except (ValueError, AttributeError):
            return refused(400, "MANDATORY_NOT_FOUND", {"api_name": "select_query"})
        if not found:
            return Reply(204)
        call.records = [str(one["id"]) for one in found if "id" in one]
        return Reply(200, {"data": found, "info": {"count": len(found), "more_records": more}})

    def _settings(self, call: Call, what: str) -> Reply:
        org = self.state.org
        if what == "modules":
            shown = [{"api_name": name, "api_supported": True, "id": str(number)}
                     for number, name in enumerate(MODULES, 1)]  # fmt: skip
            return Reply(200, {"modules": shown})
        module = call.query.get("module", "")
        if module not in MODULES:
            return refused(400, "INVALID_MODULE", {"param": "module"})
        if what == "fields":
            fields = org.fields[module].values()
            return Reply(200, {"fields": [one.metadata(n) for n, one in enumerate(fields, 1)]})
        if what == "related_lists":
            lists = [
                {"id": str(n), "api_name": one.name, "module": {"api_name": one.module},
                 "href": f"{module}/{{ENTITYID}}/{one.name}", "type": "default"}
                for n, one in enumerate(RELATED.get(module, ()), 1)
            ]  # fmt: skip
            return Reply(200, {"related_lists": lists}) if lists else Reply(204)
        return refused(404, "INVALID_URL_PATTERN")

    def _users(self, call: Call, rest: list[str]) -> Reply:
        users = self.state.org.users
        if rest:
            found = [one for one in [users.get(rest[0])] if one is not None]
            return Reply(200, {"users": [one.shown() for one in found]}) if found else Reply(204)
        kind = call.query.get("type", "AllUsers")
        wanted = [
            user for user in users.values()
            if kind == "AllUsers" or user.active == (kind != "DeactiveUsers")
        ]  # fmt: skip
        page, per_page = int(call.query.get("page", "1")), int(call.query.get("per_page", "200"))
        window = wanted[(page - 1) * per_page : page * per_page]
        if not window:
            return Reply(204)
        info = {"page": page, "per_page": per_page, "count": len(window),
                "more_records": len(wanted) > page * per_page}  # fmt: skip
        return Reply(200, {"users": [one.shown() for one in window], "info": info})

    def _org(self) -> dict[str, Any]:
        return {
            "id": "5843104000000020005", "company_name": "Fake Org", "time_zone": "Europe/Berlin",
            "iso_code": "EUR", "zgid": "20094", "type": "production", "currency": "Euro - EUR",
            "license_details": {"paid": True, "paid_type": "enterprise"},
        }  # fmt: skip

    def _consent(self, call: Call) -> Reply:
        """What a person sees who follows the URL of the consent: the code."""
        tokens = self.state.tokens
        if call.query.get("client_id") != tokens.client_id:
            return Reply(400, "<html><body>Invalid client</body></html>")
        back = call.query.get("redirect_uri")
        if back:
            mark = "&" if "?" in back else "?"
            return Reply(302, None, {"Location": f"{back}{mark}code={tokens.code}"})
        return Reply(200, f"<html><body>Code: {tokens.code}</body></html>")


def _group(parts: list[str]) -> str:
    """What the scope of a path begins with."""
    match parts:
        case ["settings", *_]:
            return "ZohoCRM.settings"
        case ["users" | "org" | "coql" as first, *_]:
            return f"ZohoCRM.{first}"
        case ["actions", "watch"]:
            return "ZohoCRM.notifications"
        case _:
            return f"ZohoCRM.modules.{parts[0].lower()}"


def _allowed(scopes: frozenset[str], group: str, verb: str) -> bool:
    if group == "ZohoCRM.coql":
        verb = "READ"
    lower = {scope.lower() for scope in scopes}
    groups = [group, "ZohoCRM.modules"] if group.startswith("ZohoCRM.modules.") else [group]
    if group == "ZohoCRM.settings":
        groups += ["ZohoCRM.settings.fields", "ZohoCRM.settings.modules"]
    verbs = ("ALL", verb, *(["WRITE"] if verb != "READ" else []))
    return any(f"{one}.{word}".lower() in lower for one in groups for word in verbs)


def _written_by(call: Call) -> list[str]:
    """The fields that the first record of a write names."""
    try:
        return list(call.json()["data"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        return []


def _cost(call: Call, parts: list[str]) -> int:
    """Credits, known before it is done."""
    try:
        if parts == ["coql"]:
            return parse(str(call.json().get("select_query", ""))).credits
        if call.method in ("POST", "PUT") and parts[0] in MODULES:
            return max(1, -(-len(call.json()["data"]) // 10))
    except (QueryError, ValueError, KeyError, TypeError, AttributeError):
        return 1
    return 1


def create_zoho(options: FakeOptions) -> FakeApp:
    """A Zoho CRM of invented accounts. `extra`: credits, concurrency, index_lag_s, token_life_s."""
    return FakeApp.of(ZohoService(options), options)
