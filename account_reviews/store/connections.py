"""One engine and one plain connection per database, however its URL is written.

Each is made, and what it is made of imported, when it is asked for.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from account_reviews.store.addresses import normalise_url
from account_reviews.store.statements import Statements

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from account_reviews.store.transactions import Transactions


@dataclass
class Databases:
    """One engine and one plain connection per database, closed with `stack`."""

    application: str
    stack: AsyncExitStack
    _engines: "dict[str, AsyncEngine]" = field(default_factory=dict)
    _statements: dict[str, Statements] = field(default_factory=dict)

    def engine(self, url: str) -> "AsyncEngine":
        """What writes to that database."""
        from account_reviews.store.database import create_engine

        place = normalise_url(url)
        if place not in self._engines:
            self._engines[place] = create_engine(url, application_name=self.application)
            self.stack.push_async_callback(self._engines[place].dispose)
        return self._engines[place]

    def statements(self, url: str) -> Statements:
        """What reads from that database."""
        place = normalise_url(url)
        if place not in self._statements:
            self._statements[place] = self.more_statements(url)
        return self._statements[place]

    def more_statements(self, url: str) -> Statements:
        """Another connection, for what must not wait for others nor keep them waiting."""
        opened = Statements(url, application_name=self.application)
        self.stack.push_async_callback(opened.close)
        return opened

    def transactions(self, url: str) -> "Transactions":
        """Plain connections for transactions on that database."""
        from account_reviews.store.transactions import Transactions

        opened = Transactions(url, application_name=self.application)
        self.stack.push_async_callback(opened.close)
        return opened
