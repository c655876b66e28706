"""Accounts and owners by id, by name, or by the beginning of an id; also while the CRM is away."""

from uuid import uuid4

import pytest

from account_reviews.bootstrap import Parts
from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.sql.accounts import SqlAccounts
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmUnavailableError,
    NotFoundError,
    ReviewNotFoundError,
)
from account_reviews.domain.known_names import Known
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.state import ReviewInput
from account_reviews.services import digests
from account_reviews.services.lookup import (
    account_if_known,
    account_of,
    account_or_given,
    all_names_of,
    find_account,
    find_accounts_named,
    find_owner,
    need_account,
    owner_name_of,
    owner_or_given,
)
from account_reviews.services.reviews import find_review, named_review_id
from account_reviews.store.reviews import ReviewStore
from tests.support.crm_loading import load, sample
from tests.support.cycles import AS_OF, account


@pytest.fixture
async def crm(parts: Parts) -> InMemoryCrm:
    """A CRM without the reviewed accounts, and reviews of two that Ann Lee has."""
    found = InMemoryCrm()
    parts.__dict__["accounts"] = parts.__dict__["crm"] = found
    for name, called in (("fj-1", "Fjord Optics"), ("fj-2", "Birch \U0001f33f Foods")):
        await _reviewed(parts, name, called)
    return found


async def _reviewed(parts: Parts, account_id: str, name: str) -> None:
    store, run_id = ReviewStore(parts.engine), str(uuid4())
    start = ReviewInput(account_id=account_id, tenant=parts.settings.tenant, as_of=AS_OF)
    review_id = await named_review_id(parts, f"review/{parts.settings.tenant}/{account_id}")
    state = opening_state(
        start, review_id=review_id, run_id=run_id, workflow_run_id=run_id, now=AS_OF
    )
    reference = {
        "hash": await store.open_run(state, account(account_id)),
        "account_name": name,
        "owner_id": "ow-lee",
        "owner_name": "Ann Lee",
        "fetched_at": AS_OF,
    }
    await store.save(
        state.model_validate({**state.model_dump(), "snapshot": reference, "version": 1})
    )


@pytest.mark.parametrize("text", ["fj-1", "FJ-1", "Fjord Optics", " fjord  optics ", "\uff46j-1"])
async def test_an_account_is_found_by_what_people_call_it(
    parts: Parts, crm: InMemoryCrm, text: str
) -> None:
    crm.refusal = CrmUnavailableError("the CRM cannot be reached")
    assert await find_account(parts, text) == Known("fj-1", "Fjord Optics")
    found = await find_review(parts, text)
    assert found.state.account_id == "fj-1"


@pytest.mark.usefixtures("crm")
async def test_several_are_listed_and_nobody_is_told_who_is_near(parts: Parts) -> None:
    with pytest.raises(BadInputError) as several:
        await find_account(parts, "fj")
    assert "Birch \U0001f33f Foods (fj-2) or" not in several.value.message
    assert several.value.message == (
        "2 accounts may be meant by 'fj': Fjord Optics (fj-1) or Birch \U0001f33f Foods (fj-2)"
    )
    with pytest.raises(AccountNotFoundError) as nobody:
        await find_account(parts, "Fjort Optics")
    assert nobody.value.hint == "did you mean Fjord Optics (fj-1)?"
    with pytest.raises(NotFoundError, match="there is no owner 'Bob'"):
        await find_owner(parts, "Bob")
    with pytest.raises(ReviewNotFoundError, match="there is no review 'nix'"):
        await find_review(parts, "nix")


async def test_an_owner_is_found_by_name_also_while_the_crm_is_away(
    parts: Parts, crm: InMemoryCrm
) -> None:
    crm.refusal = CrmUnavailableError("the CRM cannot be reached")
    for text in ("ow-lee", "ann lee", "ow"):
        assert await find_owner(parts, text) == Known("ow-lee", "Ann Lee")
        assert (await digests.find_owner(parts, text)).id == "ow-lee"
    with pytest.raises(CrmUnavailableError):
        await find_owner(parts, "Bob")
    with pytest.raises(NotFoundError, match="no review knows an owner 'Bob'"):
        await digests.find_owner(parts, "Bob")
    assert await owner_or_given(parts, "Bob") == "Bob"
    assert await account_or_given(parts, "Bob") == "Bob"


@pytest.mark.usefixtures("crm")
async def test_of_many_each_has_its_answer(parts: Parts) -> None:
    found = await find_accounts_named(parts, ("Fjord Optics", "fj", "nix\x00", "\ud800"))
    assert found["Fjord Optics"] == Known("fj-1", "Fjord Optics")
    assert str(found["fj"]).startswith("2 accounts may be meant by 'fj'")
    assert str(found["nix\x00"]).startswith("the CRM has no account")
    assert str(found["\ud800"]).startswith("the CRM has no account")
    assert await account_if_known(parts, "nix") == "nix"


async def test_what_is_done_to_one_account_is_never_done_to_the_beginning_of_an_id(
    parts: Parts, crm: InMemoryCrm
) -> None:
    for text in ("fj-1", "FJ-1", "Fjord Optics"):
        assert await account_of(parts, text) == ("fj-1", None)
        await need_account(parts, text)
    for text, why in (("fj", BadInputError), ("fj-", BadInputError), ("nix", AccountNotFoundError)):
        given, unknown = await account_of(parts, text)
        assert given == text
        assert isinstance(unknown, why)
        with pytest.raises(why):
            await need_account(parts, text)
    crm.refusal = CrmUnavailableError("the CRM cannot be reached")
    given, unknown = await account_of(parts, "nix")
    assert (given, type(unknown)) == ("nix", CrmUnavailableError)
    await need_account(parts, "nix")  # nobody can say that there is none


@pytest.mark.usefixtures("crm")
async def test_a_person_is_known_by_the_id_and_by_the_name(parts: Parts) -> None:
    for text in ("ow-lee", "ann lee"):
        assert set(await all_names_of(parts, text)) >= {text, "ow-lee", "Ann Lee"}
    assert await owner_name_of(parts, "ow-lee") == "Ann Lee"
    for text in ("ow", "Ann Lee", "Bob"):
        assert await owner_name_of(parts, text) == text


@pytest.mark.usefixtures("crm")
async def test_a_program_means_that_id_or_name_never_the_beginning_of_another(parts: Parts) -> None:
    assert await account_or_given(parts, "fjord optics", strict=False) == "fj-1"
    assert await account_or_given(parts, "FJ-1", strict=False) == "fj-1"
    assert await account_or_given(parts, "fj", strict=False) == "fj"
    assert await owner_or_given(parts, "ow", strict=False) == "ow"
    assert await owner_or_given(parts, "ow") == "ow-lee"
    with pytest.raises(BadInputError, match="2 accounts may be meant by 'fj'"):
        await account_or_given(parts, "fj")


async def test_the_sql_crm_tells_all_names_at_once(parts: Parts) -> None:
    await load(parts.engine, [sample("names-1")])
    parts.__dict__["accounts"] = SqlAccounts(parts.statements)
    name = (await SqlAccounts(parts.statements).account_names())["names-1"]
    assert await find_account(parts, "names-1") == Known("names-1", name)
