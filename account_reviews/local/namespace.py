"""What a Temporal namespace needs for reviews: search attributes, and time to look back."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client

from account_reviews.temporal.names import RETENTION_DAYS
from account_reviews.temporal.search_attributes import SEARCH_ATTRIBUTES

_TYPES: dict[str, "IndexedValueType.ValueType"] = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}
_SECONDS_PER_DAY = 86_400


async def prepare(client: Client) -> None:
    """Keep closed reviews for 30 days (a dev server's default is one), add missing attributes."""
    retention = UpdateNamespaceRequest(namespace=client.namespace)
    retention.config.workflow_execution_retention_ttl.FromSeconds(RETENTION_DAYS * _SECONDS_PER_DAY)
    await client.workflow_service.update_namespace(retention)
    missing = {name: _TYPES[SEARCH_ATTRIBUTES[name]] for name in await missing_attributes(client)}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )


async def retention_days(client: Client) -> float:
    """How long closed workflows are kept, in days. RPCError when there is no such namespace."""
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    kept = described.config.workflow_execution_retention_ttl
    return kept.ToTimedelta().total_seconds() / _SECONDS_PER_DAY


async def missing_attributes(client: Client) -> list[str]:
    """Our search attributes that the namespace lacks or holds with another type."""
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    found = listed.custom_attributes
    return [name for name, kind in SEARCH_ATTRIBUTES.items() if found.get(name) != _TYPES[kind]]
