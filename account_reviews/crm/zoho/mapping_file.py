"""What a mapping for Zoho must be beyond one that fits any CRM."""

import re
from typing import Final

from account_reviews.crm.field_mapping import FieldMapping
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordType

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""How the API calls modules and fields."""
_OPTIONS: Final = ("trigger",)
_TRIGGERS: Final = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")


def check_names(mapping: FieldMapping) -> FieldMapping:
    """The mapping, if Zoho can be asked by it. BadInputError."""
    for module in mapping.modules:
        names = [module.module, *module.crm_fields()]
        odd = next((name for name in names if not _NAME.fullmatch(name)), None)
        if odd is not None:
            raise BadInputError(
                f"the mapping names {odd!r} in {module.module}, which is no API name of Zoho",
                hint="API names stand in Zoho under Setup, Developer Hub, APIs and SDKs",
            )
        if module.record is not RecordType.ACCOUNT and "account_id" not in module.fields:
            raise BadInputError(
                f"the mapping of {module.module} has no account_id",
                hint="name the field that points at the account, such as What_Id",
            )
    _check_options(mapping)
    return mapping


def _check_options(mapping: FieldMapping) -> None:
    unknown = next((name for name in mapping.options if name not in _OPTIONS), None)
    if unknown is not None:
        allowed = ", ".join(_OPTIONS)
        raise BadInputError(f"the mapping has the unknown option {unknown!r}; there is {allowed}")
    trigger = mapping.options.get("trigger") or []
    if not isinstance(trigger, list) or any(one not in _TRIGGERS for one in trigger):
        raise BadInputError(
            f"the option trigger of the mapping is {trigger!r}",
            hint=f"it is a list of {', '.join(_TRIGGERS)}; [] sets nothing off",
        )
