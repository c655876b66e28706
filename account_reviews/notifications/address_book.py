"""Who a recipient is: name, e-mail address and time zone, from the policy and the CRM."""

from typing import Protocol

from account_reviews.domain.errors import ChannelUnavailableError, CrmError
from account_reviews.domain.policy.access import Access
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.policy.notifications import Channel
from account_reviews.domain.records import Owner
from account_reviews.domain.review.asked_groups import groups_asked, is_empty_group
from account_reviews.notifications.messages import Addressee


class Owners(Protocol):
    """Where people are looked up: a CRM."""

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name. CrmError."""
        ...


class Directory(Protocol):
    """The CRM, for any tenant."""

    def of(self, tenant: str | None) -> Owners:
        """The same one, asked for that tenant."""
        ...


class AddressBook:
    """The policy comes first, the CRM after it."""

    def __init__(self, policy: Policy, directory: Directory) -> None:
        self._directory = directory
        self._policy = policy
        self._table = policy.notifications
        self._access: Access = policy.access

    async def find(
        self, tenant: str, recipient: str, channel: str, *account_owner: str | None
    ) -> Addressee:
        """The recipient, in the time zone of `account_owner` (names of one) unless in one's own.

        ChannelUnavailableError when the address is wanted, and the CRM that may know it is down.
        """
        names = self._names(recipient)
        listed = self._table.address_of(*names)
        owner, lost = await self._look_up(tenant, names)
        if owner is not None:
            names = (*names, owner.name, owner.id)
        address = self._table.address_of(*names) or (owner.email if owner else None)
        if channel == Channel.EMAIL and listed is None and lost is not None:
            raise ChannelUnavailableError(
                f"the address is not known while the CRM cannot be asked: {lost.message}"
            )
        return Addressee(
            recipient=recipient,
            name=owner.name if owner else None,
            address=address,
            zone=self._table.zone_of(*names, *account_owner),
        )

    async def reaches_nobody(self, tenant: str, recipient: str, channel: str) -> bool:
        """Whether it is a group without members, and no address is known to mail it to.

        ChannelUnavailableError as for `find`.
        """
        if channel != Channel.EMAIL or not is_empty_group(self._policy, recipient):
            return False
        return (await self.find(tenant, recipient, channel)).address is None

    def _names(self, recipient: str) -> tuple[str, ...]:
        """The recipient in all words that the policy has for it."""
        known = self._access.user(recipient)
        if known is None:
            return (recipient,)
        name, user = known
        return tuple(dict.fromkeys((recipient, name, *([user.id] if user.id else []))))

    async def _look_up(
        self, tenant: str, names: tuple[str, ...]
    ) -> tuple[Owner | None, CrmError | None]:
        """The first of these whom the CRM knows; or why it could not be asked."""
        try:
            owners = self._directory.of(tenant)
            for name in names:
                found = await owners.find_owner(name)
                if found is not None:
                    return found, None
        except CrmError as error:
            return None, error
        return None, None


def groups_without_address(policy: Policy) -> list[str]:
    """Groups that may be asked, have no members and no address: e-mail to them reaches nobody."""
    groups = policy.approvals.groups
    empty = (one for one in dict.fromkeys(groups_asked(policy)) if not groups.get(one))
    return [one for one in empty if policy.notifications.address_of(one) is None]
