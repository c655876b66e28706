"""A real stack with the sample portfolio and its web app, for the browser."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.local.stack import LocalStack
from account_reviews.store.review_queries import RequestRow
from tests.support.commands import Reviews

KEYS = "k1:a-secret-of-at-least-24-bytes"
"""What signs links in these tests."""


@dataclass
class StackWeb:
    """The pages of a stack, and its commands."""

    stack: LocalStack
    reviews: Reviews

    @property
    def url(self) -> str:
        """Where the pages are."""
        assert self.stack.web_url is not None
        return self.stack.web_url

    async def sign_in(self, page: Page, name: str, role: str = "approver") -> None:
        """By a link that works once, as it is printed."""
        made = self.reviews.json("users", "link", name, "--role", role)
        await page.goto(made["url"])
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{self.url}/inbox")

    def ask(self, account: str) -> str:
        """Review an account; the short id of its request."""
        request: dict[str, Any] = self.reviews.request(account)
        return str(request["short_id"])

    async def row(self, name: str) -> RequestRow:
        """A request as it is stored."""
        settings = Settings.load(data_dir=self.stack.data_dir)
        async with open_parts(settings, application="tests") as parts:
            return await parts.reader.find_request(settings.tenant, name)

    async def decide_link(self, name: str, by: str) -> str:
        """The address in a mail to `by`."""
        settings = Settings.load(data_dir=self.stack.data_dir)
        async with open_parts(settings, application="tests") as parts:
            row = await parts.reader.find_request(settings.tenant, name)
            path = parts.guard.link_path(row.request, by)
        assert path is not None
        return f"{self.url}{path}"
