"""The policy's table of users: who is who, and in which roles."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import ConfigDict, Field, field_serializer, field_validator

from account_reviews.domain.base import Model
from account_reviews.domain.errors import PolicyError
from account_reviews.domain.person_names import clean_name, person

OFF: Final = "off"


class Role(StrEnum):
    """What `domain.access.roles` lets whom do."""

    ADMIN = "admin"
    OPERATOR = "operator"
    ACCOUNT_OWNER = "account_owner"
    APPROVER = "approver"
    ANALYST = "analyst"
    AUDITOR = "auditor"


class User(Model):
    """Somebody whom the policy knows. `id` is what the CRM calls him, where that is another word
    than his name."""

    roles: tuple[Role, ...]
    id: str | None = None


class Access(Model):
    """Who may do what. Without a table of users ("off") anybody may do anything; with an empty one
    nobody may do anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=False)

    users: dict[str, User] | None = None
    groups: dict[str, tuple[Role, ...]] = Field(default_factory=dict)
    """Roles by the group that a person signs in with."""

    @field_validator("users", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """`"Ann Lee" = ["approver"]` says the same as `{ roles = ["approver"] }`."""
        if not isinstance(value, Mapping):
            return None if value == OFF else value
        return {
            clean_name(str(name)): {"roles": user} if isinstance(user, list | tuple) else user
            for name, user in value.items()
        }

    @field_serializer("users", when_used="json")
    def _off(self, users: dict[str, User] | None) -> object:
        if users is None:
            return OFF
        return {
            name: user.model_dump(mode="json", exclude_none=True) for name, user in users.items()
        }

    def user(self, name: str) -> tuple[str, User] | None:
        """Who is meant, by name or id however it is spelled: the name as it stands here, and the
        user."""
        meant = person(name)
        if not meant:
            return None
        for known, user in (self.users or {}).items():
            if meant in (person(known), person(user.id or "")):
                return known, user
        return None


def check_users(values: Mapping[str, Any]) -> None:
    """PolicyError for the first entry of a document's `[access]` that does not fit."""
    access = values.get("access")
    if not isinstance(access, Mapping):
        return
    _check_groups(access.get("groups", {}))
    users = access.get("users")
    if users is None or users == OFF:
        return
    if not isinstance(users, Mapping):
        raise PolicyError(f'access.users is {users!r}, but must be a table of names or "{OFF}"')
    meant: dict[str, str] = {}
    for name, user in users.items():
        where = f'access.users."{name}"'
        for spelled in (name, *_check_user(where, name, user)):
            other = meant.setdefault(person(spelled), name)
            if other != name:
                raise PolicyError(f'{where} and access.users."{other}" are both {spelled!r}')


def _check_groups(groups: object) -> None:
    if not isinstance(groups, Mapping):
        raise PolicyError(f"access.groups is {groups!r}, but must be a table of groups")
    for name, roles in groups.items():
        where = f'access.groups."{name}"'
        if not isinstance(roles, list):
            raise PolicyError(f"{where} is {roles!r}, but must be a list of roles: {_known()}")
        _check_roles(where, roles)


def _check_roles(where: str, roles: list[object]) -> None:
    for role in roles:
        if role not in list(Role):
            raise PolicyError(f"{where} has the role {role!r}, but roles are {_known()}")


def _check_user(where: str, name: str, user: object) -> tuple[str, ...]:
    """The ids of one entry; PolicyError as above."""
    if not person(name) or len(name) > 200:
        raise PolicyError(f"{where} is no name: it must have 1 to 200 characters")
    roles: object = user
    ids: tuple[object, ...] = ()
    if isinstance(user, Mapping):
        unknown = sorted(set(user) - set(User.model_fields))
        if unknown:
            raise PolicyError(f"{where} has {unknown[0]!r}, but may have roles and id only")
        roles = user.get("roles")
        ids = (user["id"],) if "id" in user else ()
    if not isinstance(roles, list):
        raise PolicyError(f"{where} is {user!r}, but must be a list of roles: {_known()}")
    _check_roles(where, roles)
    for one in ids:
        if not isinstance(one, str) or not person(one) or len(one) > 200:
            raise PolicyError(f"{where} has the id {one!r}, but must have a text of 1 to 200")
    return tuple(str(one) for one in ids)


def _known() -> str:
    return ", ".join(Role)
