"""Which accounts reviews are started of, also while the CRM is away."""

from uuid import uuid4

import pytest

from account_reviews.bootstrap import Parts
from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmError,
    CrmRateLimitedError,
    CrmUnavailableError,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.state import ReviewInput
from account_reviews.services.start_accounts import accounts_to_start, unchecked_accounts
from account_reviews.store.reviews import ReviewStore
from tests.support.cycles import AS_OF, account

AWAY = CrmUnavailableError("the CRM cannot be reached")
FULL = CrmRateLimitedError("the CRM asks us to slow down", retry_after=60)


@pytest.fixture
def crm(parts: Parts) -> InMemoryCrm:
    """The CRM of `parts`, which is away."""
    found = InMemoryCrm()
    found.refusal = AWAY
    parts.__dict__["accounts"] = found
    return found


async def read_before(parts: Parts, *names: str) -> None:
    """Reviews have read these accounts."""
    store = ReviewStore(parts.engine)
    for name in names:
        start = ReviewInput(account_id=name, tenant=parts.settings.tenant, as_of=AS_OF)
        run_id = str(uuid4())
        state = opening_state(
            start, review_id=f"review/{name}", run_id=run_id, workflow_run_id=run_id, now=AS_OF
        )
        snapshot = account(name)
        stored = await store.open_run(state, snapshot)
        reference = {
            "hash": stored,
            "account_name": snapshot.account.name,
            "owner_id": "owner-1",
            "owner_name": None,
            "fetched_at": AS_OF,
        }
        state = state.model_validate({**state.model_dump(), "snapshot": reference, "version": 1})
        await store.save(state)


async def to_start(
    parts: Parts, *ids: str, unknown: dict[str, str] | None = None, owner: str | None = None
) -> tuple[list[str], list[str]]:
    said: list[str] = []
    found = await accounts_to_start(
        parts, ids=ids, owner=owner, every=not ids and owner is None, unknown=unknown,
        say=said.append,
    )  # fmt: skip
    assert all(one.name == one.id.title() for one in found)
    return [one.id for one in found], said


@pytest.mark.parametrize("refusal", [AWAY, FULL])
async def test_an_account_that_was_reviewed_can_be_started_while_the_crm_is_away(
    parts: Parts, crm: InMemoryCrm, refusal: CrmError
) -> None:
    await read_before(parts, "known-1")
    crm.refusal = refusal
    found, said = await to_start(parts, "known-1")
    assert found == ["known-1"]
    assert said == [f"{refusal.message}: what is started waits for the CRM"]


@pytest.mark.usefixtures("crm")
async def test_of_several_the_others_are_told_one_by_one(parts: Parts) -> None:
    await read_before(parts, "known-2")
    unknown: dict[str, str] = {}
    found, _ = await to_start(parts, "known-2", "fresh-2", unknown=unknown)
    assert found == ["known-2"]
    assert unknown == {"fresh-2": "the CRM is away, and no review of 'fresh-2' is stored"}


@pytest.mark.usefixtures("crm")
async def test_what_nobody_knows_is_refused_in_a_sentence(parts: Parts) -> None:
    with pytest.raises(CrmUnavailableError, match="no review of account 'fresh-3' is") as failure:
        await to_start(parts, "fresh-3")
    assert failure.value.exit_code == 5
    assert "--unchecked" in (failure.value.hint or "")
    with pytest.raises(CrmUnavailableError, match="'fresh-3' and the others"):
        await to_start(parts, "fresh-3", "fresh-4", unknown={})
    with pytest.raises(CrmUnavailableError, match="only the CRM knows which accounts there are"):
        await to_start(parts)
    with pytest.raises(CrmUnavailableError, match="which accounts owner 'ow-1' has"):
        await to_start(parts, owner="ow-1")


async def test_a_crm_that_is_there_is_asked(parts: Parts, crm: InMemoryCrm) -> None:
    await read_before(parts, "gone-1")
    crm.refusal = None
    with pytest.raises(AccountNotFoundError):
        await to_start(parts, "gone-1")


@pytest.mark.usefixtures("crm")
async def test_unchecked_asks_nobody(parts: Parts) -> None:
    await read_before(parts, "known-5")
    found = await unchecked_accounts(parts, ("known-5", "Cafe\u0301"))
    assert [(one.id, one.name, one.owner_id) for one in found] == [
        ("Caf\u00e9", "Caf\u00e9", None),
        ("known-5", "Known-5", "owner-1"),
    ]
    for bad in ((), (" ",), ("a\nb",), ("",)):
        with pytest.raises(BadInputError):
            await unchecked_accounts(parts, bad)
