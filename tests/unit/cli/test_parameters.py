"""Values that are spared a validator come out as Typer's own would give them."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
import typer
import typer.main
from typer.core import TyperCommand

from account_reviews.cli.parameters import spare

seen: list[Any] = []


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class _Spared(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spare(self.get_params(ctx))
        return super().parse_args(ctx, args)


def command(
    name: Annotated[str, typer.Argument()],
    limit: Annotated[int, typer.Option(min=1, max=10)] = 5,
    text: Annotated[str | None, typer.Option()] = None,
    many: Annotated[list[str] | None, typer.Option("--many")] = None,
    colour: Annotated[Colour, typer.Option()] = Colour.RED,
    wanted: Annotated[bool | None, typer.Option()] = None,
    flag: Annotated[bool, typer.Option("--flag")] = False,
) -> None:
    seen.append((name, limit, text, many, colour, wanted, flag))


def outcome(cls: type[TyperCommand] | None, words: list[str]) -> Any:
    """What the command was called with, or how it was refused."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=cls)(command)
    seen.clear()
    try:
        app(words, standalone_mode=False, prog_name="x")
    except Exception as error:  # noqa: BLE001  compared below
        return type(error).__name__, str(error)
    return list(seen), [type(value) for value in seen[0]]


@pytest.mark.parametrize(
    "words",
    [
        "a",
        "",
        "a --limit 7",
        "a --limit 11",
        "a --limit x",
        "a --text b --many c --many d",
        "a --colour blue",
        "a --colour green",
        "a --wanted --flag",
        "a --no-wanted",
        "a b",
        "a --unknown",
    ],
)
def test_the_same_with_and_without(words: str) -> None:
    assert outcome(_Spared, words.split()) == outcome(None, words.split())
