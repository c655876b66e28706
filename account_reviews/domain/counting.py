"""Numbers with their nouns."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """ "1 change", "5 changes", "1,024 accounts"; `many` where it is not just an s more."""
    return f"{number:,} {one if abs(number) == 1 else many or one + 's'}"
