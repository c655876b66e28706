"""What commands say to type next can be typed as it stands."""

import shlex

import pytest

from account_reviews.cli.commands.stack_welcome import EXAMPLE, NEXT
from tests.support.verbs import can_be_typed

COMMANDS = (*NEXT, " ".join(line.removesuffix("\\") for line in EXAMPLE))


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_new_stack_says_to_type_lacks_nothing(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "reviews"
    can_be_typed(words)
