"""Lists as CSV that a spreadsheet opens without running anything of it."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.responses import Response

_ACTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""


def cell(value: object) -> str:
    """A value as a cell holds it: text that would be a formula begins with an apostrophe, numbers
    stay numbers."""
    if value is None:
        return ""
    text = str(value)
    if not isinstance(value, str):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(_ACTS) else text


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its heading, lines ended as RFC 4180 says."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """The table as a file to be saved; with a mark that it is UTF-8."""
    return Response(
        "\ufeff" + csv_text(columns, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )
