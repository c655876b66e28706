"""The forms in which Cognee's releases answer a search."""

from typing import Any

import pytest

from account_reviews.memory.cognee_answers import Found, found_in, marked, named_items, says_failed

ITEM = "6f0d1c8e-52a7-5b0c-9a35-0c1f6b7a4e21"
CHUNK = {"id": "c-1", "text": "budget was cut", "document_id": "d-1", "chunk_index": 0}


@pytest.mark.parametrize(
    "body",
    [
        [CHUNK],
        [{"search_result": [CHUNK], "dataset_id": "s-1", "dataset_name": "ours"}],
        [{"source": "graph", "text": "x", "dataset_id": "s-1", "metadata": {"data_id": "d-1"}}],
        [{"source": "graph", "text": "x", "raw": CHUNK}],
        {"results": [{"text": "x", "is_part_of": {"id": "d-1"}}]},
        [{"text": "x", "documentId": "d-1"}],
    ],
)
def test_where_a_hit_is_from(body: Any) -> None:
    (hit,) = found_in(body)
    assert hit.data_id == "d-1"
    assert hit.dataset_id in (None, "s-1")


def test_a_hit_that_says_only_what_it_is() -> None:
    text = f"budget was cut\n{marked(ITEM)}"
    assert found_in([text, {"text": text}, {"document_name": f"a/{ITEM}.txt", "text": "x"}]) == [
        Found(None, ITEM, None, None)
    ]


@pytest.mark.parametrize("body", [None, 7, {}, [], [None, 7, []], {"results": []}])
def test_answers_without_hits(body: Any) -> None:
    assert all(hit.data_id is None and hit.item_id is None for hit in found_in(body))


def test_a_document_is_one_hit_however_many_pieces_of_it_are_found() -> None:
    pieces = [{**CHUNK, "id": f"c-{n}", "chunk_index": n} for n in range(3)]
    assert len(found_in(pieces)) == 1


def test_names_of_documents() -> None:
    listed = [{"id": "d-1", "label": ITEM, "name": "text_1"}, {"id": "d-2", "name": "b.txt"}, {}]
    assert named_items({"items": listed}) == {ITEM: "d-1", "b": "d-2"}
    assert named_items(None) == {}


def test_runs_that_failed_behind_a_good_code() -> None:
    assert says_failed({"status": "errored"})
    assert says_failed({"s-1": {"status": "PipelineRunErrored"}})
    assert not says_failed({"s-1": {"status": "PipelineRunStarted"}})
    assert not says_failed([])
