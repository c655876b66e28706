"""A Cognee server: login and keys, datasets, adding, runs in the background, search, forgetting.

It knows both of Cognee's ways to speak, add, cognify and search, and remember and recall, or one of
them (`extra["verbs"]`: `both`, `old`, `new`). Of `extra` it also reads `run_ms`, how long a run
takes (100), `token_seconds` (3600), and `missing_status`, what it answers about a dataset that is
not there, which differs from release to release (404). The seed is that of the credentials; what it
is given gets ids that no server ever gave.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes
from typing import Any, Final, NamedTuple

from account_reviews.fakes.cognee_store import CogneeStore, Dataset, Document, User
from account_reviews.fakes.faults import FaultAction
from account_reviews.fakes.framework import Call, FakeApp, FakeOptions, Reply, Service

API: Final = "/api/v1"
EMAIL: Final = "reviews@example.com"
_OLD: Final = ("add", "cognify", "search")
_NEW: Final = ("remember", "recall", "forget")
_BOTH: Final = ("auth/login", "auth/me", "auth/api-keys", "datasets", "datasets/status")
_BEGINS_AFTER: Final = timedelta(milliseconds=30)
"""A run in the background begins a moment after it was asked for."""


class _Form(NamedTuple):
    fields: dict[str, list[str]]
    files: list[tuple[str, str]]

    def one(self, name: str) -> str | None:
        return (self.fields.get(name) or [""])[0] or None

    def documents(self, name: str) -> list[Any]:
        """A field that holds a JSON array."""
        found = json.loads(self.one(name) or "[]")
        return found if isinstance(found, list) else []


class FakeCognee(Service):
    """Requests to functions by their path, for users who see what is theirs."""

    name = "cognee"
    state: CogneeStore

    def __init__(self, options: FakeOptions) -> None:
        extra = options.extra
        self.state = CogneeStore()
        self.password = f"password-of-{options.seed}"
        self.api_key = f"key-of-cognee-{options.seed}"
        self.state.add_user(EMAIL, self.password, self.api_key)
        self._verbs = str(extra.get("verbs", "both"))
        self._run = timedelta(milliseconds=float(extra.get("run_ms", 100)))
        self._token = timedelta(seconds=float(extra.get("token_seconds", 3600)))
        self.missing_status = int(extra.get("missing_status", 404))

    def env(self, url: str) -> dict[str, str]:
        return {"REVIEWS_MEMORY_URL": f"cognee+{url}", "REVIEWS_COGNEE_API_KEY": self.api_key}

    def error(self, call: Call, status: int, code: str | None) -> Any:
        del call
        return {"error": code or f"status {status}", "detail": "a fault of the fake"}

    def revoke(self, call: Call) -> None:
        """Tokens go; a key stays, as it is taken back by people alone."""
        self.state.tokens.pop(_bearer(call) or "", None)

    def handle(self, call: Call) -> Reply:
        self.state.settle(call.now)
        if call.path == "/openapi.json":
            return Reply(200, {"openapi": "3.1.0", "paths": {path: {} for path in self._paths()}})
        if call.path == "/health":
            return Reply(200, {"status": "ready"})
        if (call.method, call.path) == ("POST", f"{API}/auth/login"):
            return self._login(call)
        user = self._user(call)
        if user is None:
            return Reply(401, {"detail": "Unauthorized"})
        words = call.path.removeprefix(f"{API}/").split("/")
        if not call.path.startswith(f"{API}/") or not self._serves(words[0]):
            return Reply(404, {"detail": "Not Found"})
        try:
            return self._route(call, user, words)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return Reply(400, {"detail": f"cannot be read: {type(error).__name__}"})

    def _route(self, call: Call, user: User, words: list[str]) -> Reply:
        match call.method, words:
            case _, ["auth", what]:
                return self._auth(call, user, what)
            case _, ["datasets"]:
                return self._datasets(call, user)
            case "GET", ["datasets", "status"]:
                return self._status(call, user)
            case _, ["datasets", dataset_id, *rest]:
                return self._of_dataset(call, user, dataset_id, rest)
            case "POST", ["add" | "remember" as verb]:
                return self._take(call, user, verb)
            case "POST", ["cognify"]:
                return self._cognify(call, user)
            case "POST", ["search" | "recall" as verb]:
                return self._search(call, user, verb)
            case "POST", ["forget"]:
                body = call.json()
                dataset = self._dataset(user, _of(body, "dataset_id"))
                return self._delete(call, dataset, str(_of(body, "data_id")))
        return Reply(405, {"detail": "Method Not Allowed"})

    def _auth(self, call: Call, user: User, what: str) -> Reply:
        match call.method, what:
            case "GET", "me":
                return Reply(200, {"email": user.email})
            case "POST", "api-keys":
                key = f"key-{self.state.new_id()}"
                user.keys.add(key)
                return Reply(200, {"id": self.state.new_id(), "key": key, "name": None})
        return Reply(404, {"detail": "Not Found"})

    def _datasets(self, call: Call, user: User) -> Reply:
        if call.method == "GET":
            mine = [one for one in self.state.datasets.values() if one.owner == user.id]
            return Reply(200, [_shown(one) for one in mine])
        found = self.state.dataset_of(user.id, call.json()["name"], call.now)
        call.committed = True
        return Reply(200, _shown(found))

    def _of_dataset(self, call: Call, user: User, dataset_id: str, rest: list[str]) -> Reply:
        dataset = self._dataset(user, dataset_id)
        match call.method, rest:
            case "DELETE", ["data", data_id]:
                return self._delete(call, dataset, data_id)
            case "DELETE", [] if dataset is not None:
                del self.state.datasets[dataset.id]
                gone = [
                    one.id for one in self.state.documents.values() if one.dataset_id == dataset.id
                ]
                for one in gone:
                    del self.state.documents[one]
                call.committed = True
                return Reply(200)
            case "GET", ["data"] if dataset is not None:
                listed = [
                    one
                    for one in self.state.documents.values()
                    if one.dataset_id == dataset.id and one.listed_at <= call.now
                ]
                return Reply(200, [_listed(one) for one in listed])
        return self._missing()

    def _take(self, call: Call, user: User, verb: str) -> Reply:
        form = _form(call)
        dataset = self._wanted_dataset(form, user, call)
        if dataset is None:
            return self._missing()
        labels, facts = form.documents("labels"), form.documents("external_metadata")
        if any(given and len(given) != len(form.files) for given in (labels, facts)):
            return Reply(400, {"detail": "one entry per file is required"})
        later = form.one("run_in_background") == "true"
        at = call.now + (_BEGINS_AFTER if later else timedelta(0))
        files = [
            (name, text, labels[n] if labels else None, facts[n] if facts else None)
            for n, (name, text) in enumerate(form.files)
        ]
        node_set = [one for one in form.fields.get("node_set", ()) if one]
        added = self.state.add(dataset, user.id, files, node_set, at)
        call.committed, call.records = True, [one.id for one in added]
        call.operation_id = labels[0] if labels else None
        run_id = self.state.new_id()
        shared = {"dataset_id": dataset.id, "dataset_name": dataset.name, "pipeline_run_id": run_id}
        if verb == "add":
            done = [{"run_info": {}, "data_id": one.id} for one in added]
            return Reply(
                200, {"status": "PipelineRunCompleted", "data_ingestion_info": done, **shared}
            )
        run = self._begin(call, dataset, at)
        if not later:
            run.begins, run.ends = call.now, call.now
            if run.fails:
                return Reply(409, {"status": "errored", "error": "the run failed", **shared})
            self.state.settle(call.now)
        shared["pipeline_run_id"] = run.id
        items = [{"id": one.id, "name": one.name} for one in added]
        status = "running" if later else "completed"
        return Reply(
            200,
            {"status": status, "items_processed": len(added), **shared}
            | ({} if later else {"items": items}),
        )

    def _cognify(self, call: Call, user: User) -> Reply:
        body = call.json()
        wanted = _of(body, "dataset_ids") or []
        if not wanted:
            return Reply(400, {"error": "No datasets or dataset_ids provided"})
        answer = {}
        for dataset_id in wanted:
            dataset = self._dataset(user, dataset_id)
            if dataset is None:
                return self._missing(500)
            run = self._begin(call, dataset, call.now)
            if not _of(body, "run_in_background"):
                run.ends = call.now
                self.state.settle(call.now)
            answer[dataset.id] = {
                "status": "PipelineRunStarted",
                "pipeline_run_id": run.id,
                "dataset_id": dataset.id,
                "dataset_name": dataset.name,
            }
        call.committed = True
        return Reply(200, answer)

    def _begin(self, call: Call, dataset: Dataset, at: Any) -> Any:
        takes = self._run
        if call.fault is not None and call.meets(FaultAction.INDEX_LAG):
            takes += timedelta(milliseconds=call.fault.delay_ms)
        fails = call.meets(FaultAction.ELEMENT_ERROR)
        return self.state.begin(dataset.id, at, takes, fails=fails)

    def _status(self, call: Call, user: User) -> Reply:
        wanted = call.query.get("dataset")
        if wanted is not None and self._dataset(user, wanted) is None:
            return Reply(409, {"error": "Unable to retrieve dataset statuses."})
        mine = [one.id for one in self.state.datasets.values() if one.owner == user.id]
        known = {one: self.state.status(one, call.now) for one in mine if wanted in (None, one)}
        return Reply(200, {name: status for name, status in known.items() if status is not None})

    def _search(self, call: Call, user: User, verb: str) -> Reply:
        body = call.json()
        wanted = _of(body, "dataset_ids")
        if wanted is None:
            wanted = [one.id for one in self.state.datasets.values() if one.owner == user.id]
        datasets = [self._dataset(user, one) for one in wanted]
        if any(one is None for one in datasets):
            return self._missing()
        hits = self.state.search(
            wanted, str(_of(body, "query")), _of(body, "node_name"), int(_of(body, "top_k") or 15)
        )
        names = {one.id: one.name for one in self.state.datasets.values()}
        found = [_chunk(*hit[:3]) for hit in hits]
        where = [(hit[0].dataset_id, names.get(hit[0].dataset_id)) for hit in hits]
        if verb == "search":
            return Reply(200, _by_dataset(found, where))
        return Reply(
            200,
            [
                {
                    "source": "graph",
                    "kind": "chunk",
                    "search_type": "CHUNKS",
                    "text": chunk["text"],
                    "score": None,
                    "dataset_id": dataset_id,
                    "dataset_name": name,
                    "metadata": {"data_id": chunk["document_id"], "chunk_id": chunk["id"]},
                    "raw": chunk,
                }
                for chunk, (dataset_id, name) in zip(found, where, strict=True)
            ],
        )

    def _delete(self, call: Call, dataset: Dataset | None, data_id: str) -> Reply:
        if dataset is None:
            return self._missing(401)
        known = self.state.documents.get(data_id)
        if known is not None and known.dataset_id == dataset.id:
            del self.state.documents[data_id]
            self.state.deleted.append(data_id)
            call.records = [data_id]
        call.committed = True
        return Reply(200)

    def _wanted_dataset(self, form: _Form, user: User, call: Call) -> Dataset | None:
        known, name = form.one("datasetId"), form.one("datasetName")
        if known is not None:
            return self._dataset(user, known)
        return None if name is None else self.state.dataset_of(user.id, name, call.now)

    def _dataset(self, user: User, dataset_id: Any) -> Dataset | None:
        found = self.state.datasets.get(str(dataset_id))
        return found if found is not None and found.owner == user.id else None

    def _missing(self, usual: int | None = None) -> Reply:
        status = usual if usual is not None and self.missing_status == 404 else self.missing_status
        return Reply(
            status, {"detail": "Dataset not found or not accessible [DatasetNotFoundError]"}
        )

    def _login(self, call: Call) -> Reply:
        form = call.form()
        for user in self.state.users.values():
            if (user.email, user.password) == (form.get("username"), form.get("password")):
                token = f"jwt-{self.state.new_id()}"
                self.state.tokens[token] = user.id, call.now + self._token
                call.committed = True
                return Reply(200, {"access_token": token, "token_type": "bearer"})
        return Reply(400, {"detail": "LOGIN_BAD_CREDENTIALS"})

    def _user(self, call: Call) -> User | None:
        key, bearer = call.headers.get("x-api-key"), _bearer(call)
        for user in self.state.users.values():
            if key is not None and key in user.keys:
                call.token_id = f"key of {user.email}"
                return user
        user_id, until = self.state.tokens.get(bearer or "", ("", call.now))
        call.token_id = f"login of {user_id[:8]}" if until > call.now else None
        return self.state.users.get(user_id) if until > call.now else None

    def _serves(self, word: str) -> bool:
        return (word not in _OLD or self._verbs != "new") and (
            word not in _NEW or self._verbs != "old"
        )

    def _paths(self) -> list[str]:
        known = (*_BOTH, *_OLD, *_NEW)
        return [f"{API}/{one}" for one in known if self._serves(one.partition("/")[0])]


def create_cognee(options: FakeOptions) -> FakeApp:
    """A server without any memories, and one user."""
    return FakeApp.of(FakeCognee(options), options)


def _bearer(call: Call) -> str | None:
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else None


def _of(body: Mapping[str, Any], name: str) -> Any:
    """A field in either spelling: `top_k` and `topK`."""
    first, *rest = name.split("_")
    return body.get(name, body.get(first + "".join(word.title() for word in rest)))


def _form(call: Call) -> _Form:
    """A form of several parts. ValueError for anything else."""
    kind = call.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise ValueError("no form of several parts")
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + call.body)
    found = _Form({}, [])
    for part in message.get_payload():
        if isinstance(part, str):
            raise TypeError("no parts")
        content = part.get_payload(decode=True)
        text = content.decode() if isinstance(content, bytes) else ""
        name = str(part.get_param("name", header="content-disposition"))
        filename = part.get_filename()
        if filename is None:
            found.fields.setdefault(name, []).append(text)
        else:
            found.files.append((filename.removesuffix(".txt"), text))
    return found


def _shown(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "createdAt": dataset.created_at.isoformat(),
        "updatedAt": None,
        "ownerId": dataset.owner,
    }


def _listed(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "name": document.name,
        "createdAt": document.listed_at.isoformat(),
        "updatedAt": None,
        "extension": "txt",
        "mimeType": "text/plain",
        "rawDataLocation": f"file:///data/text_{document.digest}.txt",
        "datasetId": document.dataset_id,
        "label": document.label,
        "externalMetadata": document.metadata,
    }


def _chunk(document: Document, place: int, text: str) -> dict[str, Any]:
    return {
        "id": f"{document.id[:-4]}{place:04d}",
        "type": "DocumentChunk",
        "text": text,
        "chunk_index": place,
        "document_id": document.id,
        "document_name": f"text_{document.digest}",
    }


def _by_dataset(
    found: list[dict[str, Any]], where: list[tuple[str, str | None]]
) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for chunk, (dataset_id, name) in zip(found, where, strict=True):
        group = groups.setdefault(
            dataset_id, {"search_result": [], "dataset_id": dataset_id, "dataset_name": name}
        )
        group["search_result"].append(chunk)
    return list(groups.values())
