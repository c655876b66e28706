"""What a channel for notices offers, and the ledger that lets each notice out once."""

from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.deliveries import Begun, Parcel, Sent


@dataclass(frozen=True, kw_only=True)
class Message:
    """One notice for one person, in words and for programs. Texts may hold line breaks; `subject`
    and names may hold anything that came from a CRM: a channel makes them safe for itself."""

    key: str
    """The same whenever this notice is sent again to this person by this channel."""
    kind: str
    """`request`, `reminder`, `escalation`, `expired` or `digest`."""
    recipient: str
    name: str | None = None
    """What the recipient is called; None where only the id is known."""
    address: str | None = None
    """The recipient's e-mail address; None where nobody knows one."""
    subject: str
    text: str
    html: str | None = None
    """The same as a page that needs nothing from elsewhere, for channels that show one."""
    at: Timestamp
    """When it became due."""
    data: dict[str, JsonValue] = field(default_factory=dict)


class Notifier(Protocol):
    """A channel. Every call ends within its own time limit."""

    @property
    def channel(self) -> str:
        """Its name, as in `notifications.channels` of the policy."""
        ...

    async def send(self, message: Message) -> None:
        """Return once the channel has taken it.

        ChannelUnavailableError when a later try may succeed, NoticeRefusedError when none will.
        Neither holds an address or a secret.
        """
        ...

    async def health(self) -> Health:
        """Whether it is set up and answers. Sends nothing, never raises."""
        ...


class Ledger(Protocol):
    """What was sent, noted before and after each try. UnreachableError when it is away."""

    async def begin(self, parcel: Parcel, hold_seconds: float) -> Begun:
        """Note that a try to send begins; nobody else's begins within `hold_seconds`."""
        ...

    async def sent(self, parcel: Parcel) -> Sent:
        """Note that it was sent; gives what is known of that, which an earlier try may have
        noted."""
        ...

    async def failed(self, parcel: Parcel, error: str, *, final: bool) -> None:
        """Note why a try did not send it. `final`: there will be no other."""
        ...
