"""What Cognee's answers say, in any of the forms its releases give them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from account_reviews.domain.audit.masks import mask_personal_data, mask_secrets
from account_reviews.domain.characters import written_on_one_line

_MARK: Final = "Remembered as item "


@dataclass(frozen=True)
class Found:
    """One hit, as far as it says where it is from."""

    data_id: str | None
    item_id: str | None
    """What the text, or the name of the document, says of itself."""
    dataset_id: str | None
    score: float | None


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def found_in(body: Any) -> list[Found]:
    """The hits of an answer in any of Cognee's forms, in their order, each document once."""
    found: dict[tuple[str | None, str | None], Found] = {}
    for one in _hits(body, None):
        found.setdefault((one.data_id, one.item_id), one)
    return list(found.values())


def marked(item_id: str) -> str:
    """The line by which a document says which item it is."""
    return f"{_MARK}{item_id}"


def _hits(body: Any, dataset_id: str | None) -> list[Found]:
    if isinstance(body, list):
        return [hit for one in body for hit in _hits(one, dataset_id)]
    if isinstance(body, str):
        item_id = _marked_in(body)
        return [Found(None, item_id, dataset_id, None)]
    if not isinstance(body, dict):
        return []
    known = _first(body, "dataset_id", "datasetId") or dataset_id
    for name in ("search_result", "searchResult", "results", "completion"):
        if isinstance(body.get(name), list):
            return _hits(body[name], known)
    return [_hit(body, known)]


def _hit(body: Mapping[str, Any], dataset_id: str | None) -> Found:
    """A piece of text; `recall` puts it into an envelope that says where it is from."""
    inner = [body.get(name) for name in ("metadata", "raw", "is_part_of")]
    places = [body, *(one for one in inner if isinstance(one, dict))]
    data_id = next(
        (
            found
            for place in places
            if (found := _first(place, "data_id", "dataId", "document_id", "documentId"))
        ),
        None,
    )
    part = body.get("is_part_of")
    if data_id is None and isinstance(part, dict):
        data_id = _first(part, "id")
    text = body.get("text")
    item_id = _marked_in(text) if isinstance(text, str) else None
    if item_id is None:
        names = (_first(place, "document_name", "documentName") for place in places)
        item_id = next((_stem(name) for name in names if name), None)
    score = body.get("score")
    good = isinstance(score, int | float) and not isinstance(score, bool)
    return Found(data_id, item_id, dataset_id, float(score) if good else None)  # type: ignore[arg-type]


def _first(body: Mapping[str, Any], *names: str) -> str | None:
    return next((str(body[name]) for name in names if body.get(name)), None)


def _marked_in(text: str) -> str | None:
    _, mark, rest = text.partition(_MARK)
    return rest[:36] if mark else None


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".txt")


def named_items(body: Any) -> dict[str, str]:
    """Data ids by item id, where an answer names both: by label, else by file name."""
    listed = body.get("items") if isinstance(body, dict) else None
    found = {}
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or not one.get("id"):
            continue
        name = _first(one, "label") or _stem(_first(one, "name") or "")
        if name:
            found[name] = str(one["id"])
    return found


def says_failed(body: Any) -> bool:
    """Whether a good code brings news of a run that failed."""
    if isinstance(body, dict):
        status = str(body.get("status") or "").lower()
        inner = [one for one in body.values() if isinstance(one, dict)]
        return status.endswith(("errored", "failed")) or any(map(says_failed, inner))
    return False


def says_empty(answer: Answer) -> bool:
    """Whether there is only nothing to be found yet."""
    said = reason(answer).lower()
    return answer.status in (404, 409, 422) and any(
        words in said for words in ("no data found", "nodata", "collectionnotfound", "prerequisite")
    )


def reason(answer: Answer) -> str:
    """What it says went wrong, behind a colon, on one line and without what is nobody's."""
    body = answer.body if isinstance(answer.body, dict) else {}
    said = [
        body[name] for name in ("detail", "error", "message") if isinstance(body.get(name), str)
    ]
    text = mask_personal_data(mask_secrets(written_on_one_line("; ".join(said))))
    return f": {text[:200]}" if text else ""
