"""The hooks of the CRM in memory; what it shares with the SQL CRM is in the contract."""

import pytest

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import CrmRecordNotFoundError, CrmUnavailableError
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordType, SnapshotLimits
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, sample


@pytest.fixture
def crm() -> InMemoryCrm:
    return InMemoryCrm([sample()], owners=[ILSE, TOMAS])


async def test_an_outage(crm: InMemoryCrm) -> None:
    crm.available = False
    with pytest.raises(CrmUnavailableError):
        await crm.snapshot("ac-1", as_of=AS_OF, limits=SnapshotLimits())
    with pytest.raises(CrmUnavailableError):
        await crm.list_accounts(AccountFilter())
    assert not (await crm.health()).ok
    crm.available = True
    await crm.snapshot("ac-1", as_of=AS_OF, limits=SnapshotLimits())
    assert crm.reads == 1


async def test_a_lost_answer_is_found_again(crm: InMemoryCrm) -> None:
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    crm.lose_answers()
    with pytest.raises(CrmUnavailableError):
        await crm.apply(write, expected_version="3", operation_id="run:1")
    again = await crm.apply(write, expected_version="3", operation_id="run:1")
    assert again.status == "already_applied"
    assert crm.writes == len(crm.operations) == 1


async def test_somebody_else_edits(crm: InMemoryCrm) -> None:
    edited = crm.edit(RecordType.ACCOUNT, "ac-1", phone="+99 3")
    assert edited.version == "4"
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    found = await crm.apply(write, expected_version="3", operation_id="run:1")
    assert (found.status, found.current) == ("conflict", {"phone": "+99 3"})
    crm.remove(RecordType.ACCOUNT, "ac-1")
    assert crm.find(RecordType.ACCOUNT, "ac-1") is None
    with pytest.raises(CrmRecordNotFoundError):
        await crm.apply(write, expected_version="3", operation_id="run:1")
