"""What a portal says of its properties, held against the mapping."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from account_reviews.crm.field_check import FieldType, FoundField, MappingProblem, check_fields
from account_reviews.crm.hubspot.client import HubSpotApi
from account_reviews.crm.hubspot.fields import OWNER, STAGE
from account_reviews.crm.hubspot.portal import Portal

_TYPES: Final = {
    "string": FieldType.TEXT,
    "phone_number": FieldType.TEXT,
    "json": FieldType.TEXT,
    "object_coordinates": FieldType.TEXT,
    "enumeration": FieldType.WORD,
    "number": FieldType.NUMBER,
    "bool": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.TIME,
}


async def check_portal(api: HubSpotApi, portal: Portal) -> tuple[MappingProblem, ...]:
    """Each property that is missing, or of another type, or has words that mean nothing to us."""
    kinds = list(dict.fromkeys(one.module for one in portal.mapping.modules))
    described = await asyncio.gather(*(api.properties(kind) for kind in kinds))
    stages = await portal.stages()
    found = {
        kind: [_found(one, stages) for one in properties.values()] if properties else None
        for kind, properties in zip(kinds, described, strict=True)
    }
    return check_fields(portal.mapping, found)


def _found(described: Mapping[str, Any], stages: Mapping[str, str]) -> FoundField:
    """A property in the words of no CRM."""
    name = str(described.get("name"))
    metadata = described.get("modificationMetadata")
    read_only = isinstance(metadata, Mapping) and metadata.get("readOnlyValue")
    return FoundField(
        name=name,
        type=_type(described),
        words=_words(described, stages if name == STAGE else {}),
        writable=not (read_only or described.get("calculated")),
        unique=bool(described.get("hasUniqueValue")),
    )


def _type(described: Mapping[str, Any]) -> FieldType | None:
    if described.get("name") == OWNER or described.get("referencedObjectType"):
        return FieldType.REFERENCE
    if described.get("fieldType") == "checkbox":
        return FieldType.LIST
    if described.get("fieldType") == "booleancheckbox":
        return FieldType.BOOLEAN
    return _TYPES.get(str(described.get("type")))


def _words(described: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The values of a pick list. A stage that ends a deal is understood without a word."""
    options = described.get("options")
    if described.get("type") != "enumeration" or not isinstance(options, list):
        return ()
    values = [str(one.get("value")) for one in options if isinstance(one, Mapping)]
    return tuple(labels.get(value, value) for value in values)
