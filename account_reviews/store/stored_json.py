"""Documents as they were stored, perhaps by another release or by hand."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

Parsed = TypeVar("Parsed", bound=BaseModel)


def parsed(model: type[Parsed], document: str | bytes) -> Parsed | None:
    """The document; None when it is not one of this model, so that it takes no other with it."""
    try:
        return model.model_validate_json(document)
    except ValidationError:
        return None
