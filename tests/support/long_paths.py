"""Code that says it lies in a folder with a long path, as if the product was installed there."""

from typing import Any, Final

FOLDER: Final = "/srv/" + "Übersicht der Konten " * 7 + "/account reviews/crm"
"""More than 150 characters, with blanks and umlauts."""

_SOURCE: Final = """
from contextlib import asynccontextmanager

def call_from_deep_down(call, depth):
    return in_turn(call, depth - 1) if depth else call()

def in_turn(call, depth):
    return call_from_deep_down(call, depth - 1) if depth else call()

class Gate:
    def __init__(self, gate, depth):
        self._gate = gate
        self._depth = depth

    @asynccontextmanager
    async def open_for_write(self, connection):
        fail = None
        try:
            async with self._gate.open_for_write(connection):
                yield
        except Exception as error:
            fail = error
        if fail is not None:
            call_from_deep_down(lambda: raise_again(fail), self._depth)

def raise_again(error):
    raise error
"""
"""Two functions in turn: of one that calls itself a trace shows three frames and a number."""


def compiled(folder: str = FOLDER) -> dict[str, Any]:
    """`call_from_deep_down(call, depth)` and `Gate(gate, depth)`, of a file in that folder."""
    found: dict[str, Any] = {}
    exec(compile(_SOURCE, f"{folder}/gate.py", "exec"), found)
    return found
