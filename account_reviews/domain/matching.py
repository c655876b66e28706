"""Bringing things together so that as many as possible have a partner of their own."""

from collections.abc import Iterable, Mapping


def pairs(options: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """As many keys as possible, each with one of its options and no option twice."""
    choices = {name: sorted(found) for name, found in options.items()}
    taken: dict[str, str] = {}  # option -> key

    def place(name: str, seen: set[str]) -> bool:
        for option in choices[name]:
            if option in seen:
                continue
            seen.add(option)
            if option not in taken or place(taken[option], seen):
                taken[option] = name
                return True
        return False

    for name in choices:
        place(name, set())
    return {name: option for option, name in taken.items()}
