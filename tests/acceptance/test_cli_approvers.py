"""Who decides, for whom, and on what he saw: with the commands of the command line."""

from tests.support.commands import Reviews


def test_a_stale_page_is_refused_and_a_delegate_is_recorded(reviews: Reviews) -> None:
    request = reviews.request("ac-027")
    request_id, (owner, *_) = request["request_id"], request["approvers"]
    required = request["required"]
    assert (required["requirement"], required["n"], required["anyone"]) == ("any", 1, True)
    assert required["text"] == "needs one approval"
    shown = request["shown_hash"]
    item = next(one for one in request["items"] if one["action"] == "create_task")
    people = reviews.quick("approvals", "show", request_id).out
    assert "needs one approval" in people
    head = people.splitlines()[0]
    assert head.startswith(f"{request['account_name']} (ac-027): ")
    assert head.endswith(f" for {request['owner_name']}")
    assert f"--as {owner}" in people
    assert f"shown hash {shown}" in reviews.quick("approvals", "show", request_id, "-o", "wide").out

    change = ("--item", item["item_id"], "--set", "subject=Ring them", "--as", "zoe")
    adjust = ("approvals", "adjust", request_id, *change, "--on-behalf-of", owner)
    assert "is not a delegate" in reviews.quick(*adjust).sentence(1)
    given = reviews.json("approvals", "delegate", request_id, "--as", owner, "--to", "zoe")
    assert (given["of"], given["to"], given["queued"]) == (owner, "zoe", False)
    again = reviews.quick("approvals", "delegate", request_id, "--as", owner, "--to", " ZOE ")
    assert "may decide for" in again.err
    assert again.code != 0
    said = reviews.quick(*adjust, "--shown-hash", "0" * 64).sentence(4)
    assert "the proposal changed since it was shown" in said
    reviews.json(*adjust, "--shown-hash", shown)
    (one,) = reviews.closed("ac-027")["approvals"][0]["decisions"]
    assert (one["by"], one["on_behalf_of"], one["shown_hash"]) == ("zoe", owner, shown)
