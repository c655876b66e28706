"""What Cognee is asked over HTTP, and what its answers mean.

Cognee's codes change from release to release: a dataset that is gone was 404, 500, 403 and 409. So
a refusal is judged by what is there, and not by its code alone.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from account_reviews.config.service_addresses import service_url
from account_reviews.crm.http.answers import broken
from account_reviews.crm.http.breaker import Breaker, LocalBreaker
from account_reviews.domain.errors import (
    BadInputError,
    CrmUnavailableError,
    MemoryAuthError,
    MemoryUnavailableError,
)
from account_reviews.memory.cognee_answers import (
    Answer,
    Found,
    found_in,
    named_items,
    reason,
    says_empty,
    says_failed,
)

SECONDS: Final = 30.0
"""For one call. The library's own recall has less: a review waits for it."""
RUN_SECONDS: Final = 300.0
"""Until Cognee must have worked off what it was given."""
LARGEST: Final = 20 * 2**20
"""Bytes of an answer."""
POLLS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between looks at a run; the last goes on."""
_API: Final = "/api/v1"
_RUNNING: Final = ("INITIATED", "STARTED", "PENDING", "RUNNING")
_FAILED: Final = ("ERRORED", "FAILED")
_NEVER: Final = (400, 413, 422)
_AWAY: Final = (429, 502, 503, 504)
"""Nobody was there to ask. A 500 may mean anything."""
_LONGEST_WAIT: Final = 3600.0


class DatasetGoneError(MemoryUnavailableError):
    """The dataset is not there any more, or not for us."""


@dataclass(frozen=True)
class Credentials:
    """A key, or a name and a password. None of both: a server that asks nobody who he is."""

    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def logs_in(self) -> bool:
        return self.api_key is None and self.username is not None


@dataclass(frozen=True)
class Verbs:
    """Which of its two ways to speak a server knows."""

    remember: bool
    recall: bool


@dataclass(frozen=True)
class Document:
    """One item on its way to Cognee."""

    item_id: str
    text: str
    metadata: Mapping[str, Any]


class CogneeClient:
    """One server, by one login, behind one breaker. MemoryUnavailableError, MemoryAuthError."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        breaker: Breaker | None = None,
        http: httpx2.AsyncClient | None = None,
        seconds: float = SECONDS,
        run_seconds: float = RUN_SECONDS,
        polls: Sequence[float] = POLLS,
    ) -> None:
        self.url = checked_url(url)
        self.run_seconds = run_seconds
        self._credentials = credentials
        self._breaker = breaker or LocalBreaker(self.place)
        self._seconds = seconds
        self._polls = polls
        self._given = http
        self._made: httpx2.AsyncClient | None = None
        self._token: str | None = None
        self._verbs: Verbs | None = None
        self._login = asyncio.Lock()

    @property
    def place(self) -> str:
        """How people call it."""
        return f"Cognee at {urlsplit(self.url).netloc}"

    async def close(self) -> None:
        """Ends its connections."""
        if self._made is not None:
            await self._made.aclose()

    async def verbs(self) -> Verbs:
        """What the server knows, asked once. One that does not say is spoken to in the old way."""
        if self._verbs is None:
            answer = await self._send("GET", "/openapi.json", rooted=True)
            paths = answer.body.get("paths") if isinstance(answer.body, dict) else None
            known = paths if isinstance(paths, dict) else {}
            self._verbs = Verbs(f"{_API}/remember" in known, f"{_API}/recall" in known)
        return self._verbs

    async def health(self) -> str:
        """What the server says of itself, also whether it takes our credentials."""
        await self._datasets()
        verbs = await self.verbs()
        ways = "remember and recall" if verbs.remember and verbs.recall else "add and search"
        return f"{self.place} answers, by {ways}"

    async def dataset(self, name: str) -> str:
        """The id of our dataset of that name, which is made where there is none."""
        answer = await self._send("POST", f"{_API}/datasets", body={"name": name})
        found = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not answer.is_good or not isinstance(found, str):
            raise self._refused(answer, f"gives no dataset {name!r}")
        return found

    async def has_dataset(self, dataset_id: str) -> bool:
        """Whether it is there for us."""
        return dataset_id in await self._datasets()

    async def hand_over(
        self, dataset_id: str, node_set: str, documents: Sequence[Document]
    ) -> dict[str, str]:
        """Give it documents of one node set, to be worked off. Gives data ids by item id, as far as
        the answer names them. BadInputError for what it never takes."""
        new = (await self.verbs()).remember
        form = {
            "datasetId": dataset_id,
            "node_set": node_set,
            "run_in_background": "true" if new else "false",
            "labels": json.dumps([one.item_id for one in documents]),
            "external_metadata": json.dumps([dict(one.metadata) for one in documents]),
        }
        files = [
            ("data", (f"{one.item_id}.txt", one.text.encode(), "text/plain")) for one in documents
        ]
        path = f"{_API}/remember" if new else f"{_API}/add"
        answer = await self._send("POST", path, form=form, files=files)
        if not answer.is_good or says_failed(answer.body):
            raise await self._judged(dataset_id, answer, "does not take what is to be remembered")
        if not new:
            await self.work_off(dataset_id)
        return named_items(answer.body)

    async def work_off(self, dataset_id: str) -> None:
        """Let it work off what the dataset got; `follow` says when it has."""
        body = {"dataset_ids": [dataset_id], "run_in_background": True}
        answer = await self._send("POST", f"{_API}/cognify", body=body)
        if not answer.is_good or says_failed(answer.body):
            raise await self._judged(dataset_id, answer, "does not work off what it was given")

    async def follow(self, dataset_id: str) -> None:
        """Wait until the run has ended: two looks in a row say so, since a run begins a moment
        after it was asked for. A run that failed, or takes too long, is an error."""
        looks, ended, deadline = 0, 0, asyncio.get_running_loop().time() + self.run_seconds
        while ended < 2:
            await self.pause(looks)
            status = await self._status(dataset_id)
            if any(word in status for word in _FAILED):
                raise MemoryUnavailableError(f"{self.place}: its run failed, status {status}")
            ended = 0 if not status or any(word in status for word in _RUNNING) else ended + 1
            looks += 1
            if ended < 2 and asyncio.get_running_loop().time() > deadline:
                raise MemoryUnavailableError(
                    f"{self.place} has not worked off what it got within {self.run_seconds:g} s"
                )

    async def pause(self, looks: int) -> None:
        """The wait before the next look, after so many."""
        await asyncio.sleep(self._polls[min(looks, len(self._polls) - 1)])

    async def data(self, dataset_id: str) -> dict[str, str]:
        """The data ids of all that lies in the dataset, by item id."""
        answer = await self._send("GET", f"{_API}/datasets/{dataset_id}/data")
        if not answer.is_good or not isinstance(answer.body, list):
            raise await self._judged(dataset_id, answer, "does not say what it holds")
        return named_items({"items": answer.body})

    async def delete(self, dataset_id: str, data_id: str) -> None:
        """Remove it. What is gone already is gone."""
        answer = await self._send("DELETE", f"{_API}/datasets/{dataset_id}/data/{data_id}")
        if answer.is_good or answer.status in (404, 410):
            return
        if data_id not in set((await self.data(dataset_id)).values()):
            return
        raise await self._judged(dataset_id, answer, "does not forget")

    async def search(
        self, dataset_id: str, words: str, *, node_set: str | None, top_k: int
    ) -> list[Found]:
        """The pieces of text that come nearest, best first; of one node set where it is named."""
        verb = "recall" if (await self.verbs()).recall else "search"
        body: dict[str, Any] = {
            "search_type": "CHUNKS",
            "query": words,
            "dataset_ids": [dataset_id],
            "top_k": top_k,
        }
        if node_set is not None:
            body["node_name"] = [node_set]
        answer = await self._send("POST", f"{_API}/{verb}", body=body)
        if not answer.is_good:
            if says_empty(answer):
                return []
            raise await self._judged(dataset_id, answer, "cannot be searched")
        return found_in(answer.body)

    async def _status(self, dataset_id: str) -> str:
        params = {"dataset": dataset_id}
        answer = await self._send("GET", f"{_API}/datasets/status", params=params)
        if not answer.is_good or not isinstance(answer.body, dict):
            raise await self._judged(dataset_id, answer, "does not say how its run is")
        return str(answer.body.get(dataset_id) or "").upper()

    async def _judged(self, dataset_id: str, answer: Answer, what: str) -> Exception:
        """What a refusal about a dataset means: whether it is there says more than the code."""
        if not await self.has_dataset(dataset_id):
            return DatasetGoneError(f"{self.place} {what}: our dataset is gone")
        return self._refused(answer, what)

    async def _datasets(self) -> set[str]:
        answer = await self._send("GET", f"{_API}/datasets")
        if not answer.is_good or not isinstance(answer.body, list):
            raise self._refused(answer, "does not list its datasets")
        return {str(one.get("id")) for one in answer.body if isinstance(one, dict)}

    def _refused(self, answer: Answer, what: str) -> Exception:
        """What an answer that is no good means to whoever asked."""
        why = reason(answer)
        if answer.status in (401, 403):
            return MemoryAuthError(
                f"{self.place} {what}: it answers {answer.status}{why}",
                hint="see REVIEWS_COGNEE_API_KEY, or REVIEWS_COGNEE_USERNAME and _PASSWORD",
            )
        if answer.status in _NEVER:
            return BadInputError(f"{self.place} {what}: it answers {answer.status}{why}")
        return MemoryUnavailableError(f"{self.place} {what}: it answers {answer.status}{why}")

    async def _send(
        self,
        method: str,
        path: str,
        *,
        rooted: bool = False,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        files: Sequence[Any] | None = None,
    ) -> Answer:
        """One call; once more after a login that was taken back. `rooted` is asked of anybody."""
        given: dict[str, Any] = {"json": body} if body is not None else {}
        given |= {"params": params} if params is not None else {}
        given |= {"data": form, "files": files} if form is not None else {}
        used = None if rooted else await self._header()
        answer = await self._once(method, path, used or {}, given)
        if answer.status == 401 and not rooted and self._credentials.logs_in:
            await self._renew(used)
            answer = await self._once(method, path, await self._header(), given)
        return answer

    async def _header(self) -> dict[str, str]:
        if self._credentials.api_key is not None:
            return {"X-Api-Key": self._credentials.api_key}
        if not self._credentials.logs_in:
            return {}
        if self._token is None:
            await self._renew(None)
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew(self, refused: Mapping[str, str] | None) -> None:
        """Log in, unless somebody of this process just did."""
        async with self._login:
            if self._token is not None and refused != {"Authorization": f"Bearer {self._token}"}:
                return
            self._token = None
            form = {
                "username": self._credentials.username,
                "password": self._credentials.password or "",
            }
            answer = await self._once("POST", f"{_API}/auth/login", {}, {"data": form})
            found = answer.body.get("access_token") if isinstance(answer.body, dict) else None
            if answer.is_good and isinstance(found, str):
                self._token = found
                return
            if answer.status in (400, 401, 403, 422):
                raise MemoryAuthError(
                    f"{self.place} does not let us log in: it answers {answer.status}",
                    hint="see REVIEWS_COGNEE_USERNAME and REVIEWS_COGNEE_PASSWORD",
                )
            raise self._refused(answer, "does not let us log in")

    async def _once(
        self, method: str, path: str, headers: Mapping[str, str], given: Mapping[str, Any]
    ) -> Answer:
        try:
            async with self._breaker.call():
                return await self._exchange(method, path, headers, given)
        except CrmUnavailableError as error:  # what a breaker knows as no answer
            raise MemoryUnavailableError(
                error.message, hint=error.hint, retry_after=error.retry_after
            ) from None

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], given: Mapping[str, Any]
    ) -> Answer:
        try:
            async with asyncio.timeout(self._seconds):
                async with self._http().stream(
                    method, f"{self.url}{path}", headers=headers, **given
                ) as response:
                    answer = Answer(response.status_code, await self._body(response))
                    wait = response.headers.get("retry-after", "").strip()
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            away = broken(self.place, error)
            away.hint = away.hint or "see REVIEWS_MEMORY_URL"
            raise away from None
        if answer.status in _AWAY:
            seconds = min(float(wait), _LONGEST_WAIT) if wait.isdecimal() else None
            said = f"{self.place} answers {answer.status}{reason(answer)}"
            raise CrmUnavailableError(said, retry_after=seconds)
        return answer

    async def _body(self, response: httpx2.Response) -> Any:
        """The JSON document; None where there is none. MemoryUnavailableError for a good answer
        that is none."""
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > LARGEST:
                raise MemoryUnavailableError(f"{self.place} answers with more than {LARGEST} bytes")
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            if not 200 <= response.status_code < 300:
                return None
            raise MemoryUnavailableError(
                f"{self.place} answers something that is no JSON",
                hint="see whether REVIEWS_MEMORY_URL leads to Cognee itself",
            ) from None

    def _http(self) -> httpx2.AsyncClient:
        if self._given is not None:
            return self._given
        if self._made is None:
            self._made = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self._seconds),
                verify=ssl.create_default_context(),
                follow_redirects=False,
            )
        return self._made


def checked_url(url: str) -> str:
    """The server's address without a slash at its end, of `cognee+https://host`. BadInputError."""
    scheme, _, rest = url.partition("+")
    if scheme.lower() != "cognee":
        raise BadInputError(
            "REVIEWS_MEMORY_URL names no Cognee server",
            hint="such as cognee+https://cognee.example.com",
        )
    return service_url(rest, "REVIEWS_MEMORY_URL, after cognee+,")
