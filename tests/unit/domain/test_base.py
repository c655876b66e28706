"""Models are checked from their first use on, or from the start where that is asked for."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

from pydantic import BaseModel

import account_reviews.domain
from account_reviews.domain.base import build_models


def models() -> Iterator[type[BaseModel]]:
    """Every model of ours that is loaded."""
    left = [BaseModel]
    while left:
        model = left.pop()
        left += model.__subclasses__()
        if model.__module__.startswith("account_reviews."):
            yield model


def test_every_model_can_be_built_before_it_is_used() -> None:
    for module in walk_packages(account_reviews.domain.__path__, "account_reviews.domain."):
        import_module(module.name)
    build_models()
    found = list(models())
    assert len(found) > 100
    assert [model for model in found if not model.__pydantic_complete__] == []
    assert build_models() == 0, "there is nothing left"
