"""Who is meant where the CRM and the policy call people by other names: nobody acts as another."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.access.roles import Scope
from account_reviews.domain.policy.access import Role
from account_reviews.services.standing_in import seat_of
from tests.support.inboxes import put, waiting
from tests.support.web_site import open_web

POLICY = """\
[access.users]
"Olga" = {{ roles = ["account_owner"], id = "ow-1" }}
"{namesake}" = {{ roles = ["approver"], id = "ow-9" }}
"""


@pytest.mark.parametrize("namesake", ["Somebody", "Ann Lee"])
async def test_an_account_is_that_of_its_id_where_the_policy_has_one(
    database_url: str, engine: AsyncEngine, tmp_path: Path, namesake: str
) -> None:
    tenant, policy = f"t-{uuid4().hex[:8]}", tmp_path / "policy.toml"
    policy.write_text(POLICY.format(namesake=namesake))
    at = datetime.now(UTC)
    await put(engine, waiting("ac-1", at=at, tenant=tenant, name="Optics", approvers=("ow-1",)))
    async with open_web(database_url, tmp_path, tenant=tenant, policy_file=policy) as web:
        olga = await web.signed_in(name="Olga")
        other = await web.signed_in(name=namesake)
        assert "Your days" in (await olga.get("/digest")).text
        assert "ac-1-1" in (await olga.get("/standing-in")).text
        assert "Your days" not in (await other.get("/digest")).text
        assert "ac-1-1" not in (await other.get("/standing-in")).text
        assert (await other.post("/digest", data={"owner": "ow-1"})).status_code == 403
        row = await web.parts.reader.find_request(tenant, "ac-1-1")
        words = await web.site._usual_words()
        names = ("Olga", "ow-1", namesake)
        assert [seat_of(web.parts, row, words, one) for one in names] == ["ow-1", "ow-1", None]


async def test_a_token_is_nobody_who_signed_in(
    database_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    await put(engine, waiting("ac-1", at=datetime.now(UTC), tenant=tenant))
    async with open_web(database_url, tmp_path, tenant=tenant) as web:
        person = await web.signed_in(Role.ACCOUNT_OWNER, name="ow-1")
        program = await web.program(Role.ADMIN, scopes=[Scope.READ], name="ow-1")
        assert (await program.post("/digest", data={"owner": "ow-1"})).status_code == 403
        assert (await program.post("/logout", data={"everywhere": "yes"})).status_code == 422
        assert (await person.get("/me")).status_code == 200
        page = (await program.get("/requests/ac-1-1")).text
        assert "The token of ow-1 may not decide." in page
        assert 'name="verdict"' not in page
        assert 'name="verdict"' in (await person.get("/requests/ac-1-1")).text
