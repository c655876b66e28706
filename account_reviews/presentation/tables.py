"""Tables as lines of text: which columns have room, what is cut, in which order the rows stand.

An id is never cut and no word is folded. Where there is no room for all columns those with the
highest rank go first; prose is cut at the end of a word, or folded where its column says so.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from account_reviews.domain.characters import shown_on_one_line
from account_reviews.presentation.terms import term_of
from account_reviews.presentation.text_width import cut, folded, padded, width_of
from account_reviews.presentation.tones import Tone, tone_of

GAP: Final = "  "
NOTHING: Final = "-"
"""What stands in a cell that holds nothing."""
_LEAST: Final = 18
"""Columns that prose has at least before another column is dropped for it."""
_LAST_RESORT: Final = 8
_DIGITS: Final = re.compile(r"(\d+)")


class Column(NamedTuple):
    """One column of a table.

    `key`: how `--columns` and `--sort` name it, as the JSON document does where it has it.
    `heading`: words. `rank`: 1 always stays; the highest number is dropped first. `prose`: may be
    cut at the end of a word. `folds`: prose that goes on in the next line instead. `wide`: only
    shown by `-o wide` and by `--columns`. `right`: numbers. `spare`: not shown where none of its
    cells holds anything.
    """

    key: str
    heading: str
    rank: int = 1
    prose: bool = False
    folds: bool = False
    wide: bool = False
    right: bool = False
    spare: bool = False


class Cell(NamedTuple):
    """One cell, where its text is not all there is to say.

    `sort`: what rows are ordered by instead of the text, as the time behind "in 3 days"; None
    stands last. `tone`: its colour. `keep`: the end that stays when the text is cut, as the id
    behind a name. `short`: says the same where there is less room.
    """

    text: str | None
    sort: Any = None
    tone: Tone | None = None
    keep: str = ""
    short: str | None = None


class View(NamedTuple):
    """How somebody wants to see a table.

    `columns`: keys or headings, in that order; empty for those that have room. `sort`: a key or a
    heading, "-" before it turns the order. `page`: from 1. `watch`: drawn again and again.
    """

    columns: tuple[str, ...] = ()
    sort: str | None = None
    page: int = 1
    wide: bool = False
    pager: bool = False
    watch: bool = False


AS_IT_FITS: Final = View()
"""Nobody has asked for anything else."""


class Table(NamedTuple):
    """Lines of a table: of cells, each with its tone. The first one holds the headings.

    `starts`: in which line each row begins.
    """

    lines: list[list[tuple[str, Tone | None]]]
    starts: list[int]

    def in_lines(self, room: int) -> tuple["Table", int]:
        """The rows that have room in so many lines, below the headings, and how many have not."""
        if len(self.lines) <= room or not self.starts:
            return self, 0
        ends = [*self.starts[1:], len(self.lines)]
        count = sum(end <= room for end in ends)
        return Table(self.lines[: self.starts[count]], self.starts[:count]), len(ends) - count


def facts(what: str, how: str) -> tuple[Column, Column]:
    """The columns of a table that says one thing per line; what it says goes on below."""
    return Column("what", what), Column("value", how, folds=True)


def account_cell(name: str | None, account_id: str) -> Cell:
    """ "Fjord Optics (ac-038)", of which only the name is ever cut."""
    if not name or name == account_id:
        return Cell(account_id, sort=account_id)
    return Cell(name, sort=f"{name} {account_id}", keep=f" ({account_id})")


def word_cell(word: str | None) -> Cell:
    """A status, kind or outcome as people write it, in its tone."""
    return Cell(None if word is None else term_of(word), None, tone_of(word))


def chosen(columns: Sequence[Column], view: View) -> list[int]:
    """The places of the columns that are asked for. BadInputError for one that is not there."""
    if view.columns:
        return [place_of(columns, name, "--columns") for name in view.columns]
    return [place for place, one in enumerate(columns) if view.wide or not one.wide]


def place_of(columns: Sequence[Column], name: str, option: str) -> int:
    """The column of this key or heading, in any case. BadInputError names them all."""
    wanted = _plain(name)
    for place, one in enumerate(columns):
        if wanted in (_plain(one.key), _plain(one.heading)):
            return place
    from account_reviews.domain.errors import BadInputError

    known = ", ".join(one.key for one in columns)
    raise BadInputError(f"{option}: there is no column {name!r}", hint=f"there are: {known}")


def in_order(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], sort: str | None
) -> list[int]:
    """The places of the rows in the order of a column; what is not known stands last."""
    places = list(range(len(rows)))
    if not sort:
        return places
    column = place_of(columns, sort.removeprefix("-"), "--sort")
    cells = [row[column] for row in rows]
    behind = any(isinstance(cell, Cell) and cell.sort is not None for cell in cells)
    keys = [_sort_key(cell, behind=behind) for cell in cells]
    known = [place for place in places if keys[place] is not None]
    known.sort(key=lambda place: keys[place], reverse=sort.startswith("-"))
    return known + [place for place in places if keys[place] is None]


def laid_out(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    room: int,
    *,
    view: View = AS_IT_FITS,
    more: str = "\N{HORIZONTAL ELLIPSIS}",
) -> Table:
    """The table in `room` columns of a terminal. `more`: stands where something was cut off.

    Columns that were asked for by name, and those of `-o wide`, are never dropped: such a table may
    be wider than the room.
    """
    kept = chosen(columns, view)
    rows = [rows[place] for place in in_order(columns, rows, view.sort)]
    if not view.columns:
        kept = [place for place in kept if not columns[place].spare or _holds(rows, place)]
    full = {place: [_cell(row[place]) for row in rows] for place in kept}
    short = {place: [_shortened(cell) for cell in full[place]] for place in kept}
    natural = {place: _widest(columns[place], full[place]) for place in kept}
    if view.wide:
        cells, widths = full, natural
    else:
        least = {place: _widest(columns[place], short[place]) for place in kept}
        cells, widths = short, _fitted(columns, kept, least, room, fixed=view.columns)
        if _total([natural[place] for place in widths]) <= room:
            cells, widths = full, {place: natural[place] for place in widths}
    kept = [place for place in kept if place in widths]
    lines = [_line([(columns[p].heading, None) for p in kept], columns, kept, widths)]
    starts = []
    for number in range(len(rows)):
        starts.append(len(lines))
        lines += _row([cells[p][number] for p in kept], columns, kept, widths, more)
    return Table(lines, starts)


def _fitted(
    columns: Sequence[Column],
    kept: Sequence[int],
    natural: dict[int, int],
    room: int,
    *,
    fixed: object,
) -> dict[int, int]:
    """The widths of the columns that have room, by their places."""
    widths = {place: natural[place] for place in kept}
    while True:
        over = _total(widths.values()) - room
        giving = [p for p in widths if columns[p].prose or columns[p].folds]
        least = {p: _least(columns[p], natural[p], _LEAST) for p in giving}
        if over <= sum(widths[p] - least[p] for p in giving):
            return _shrunk(widths, least, over)
        ranks = [(columns[p].rank, p) for p in widths if columns[p].rank > 1 and not fixed]
        if not ranks:
            least = {p: _least(columns[p], natural[p], _LAST_RESORT) for p in giving}
            return _shrunk(widths, least, over)
        del widths[max(ranks)[1]]


def _holds(rows: Sequence[Sequence[object]], place: int) -> bool:
    texts = (cell.text if isinstance(cell, Cell) else cell for cell in (r[place] for r in rows))
    return any(text not in (None, "") for text in texts)


def _total(widths: Collection[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widest(column: Column, cells: Sequence[Cell]) -> int:
    return max([width_of(column.heading), *(width_of(cell.text or "") for cell in cells)])


def _shortened(cell: Cell) -> Cell:
    return cell if cell.short is None else cell._replace(text=shown_on_one_line(cell.short))


def _least(column: Column, natural: int, least: int) -> int:
    return min(natural, max(least, width_of(column.heading)))


def _shrunk(widths: dict[int, int], least: dict[int, int], over: int) -> dict[int, int]:
    """Take what is over from the widest first, down to the least of each."""
    widths = dict(widths)
    while over > 0:
        able = [place for place in least if widths[place] > least[place]]
        if not able:
            break
        widths[max(able, key=lambda place: widths[place])] -= 1
        over -= 1
    return widths


def _row(
    cells: Sequence[Cell],
    columns: Sequence[Column],
    kept: Sequence[int],
    widths: dict[int, int],
    more: str,
) -> list[list[tuple[str, Tone | None]]]:
    parts: list[list[str]] = []
    for cell, place in zip(cells, kept, strict=True):
        text = cell.text or ""
        if columns[place].folds:
            parts.append(folded(text, widths[place]))
        elif columns[place].prose:
            parts.append([cut(text, widths[place], keep=cell.keep, more=more)])
        else:
            parts.append([text])
    height = max(map(len, parts), default=1)
    return [
        _line(
            [
                (part[at] if at < len(part) else "", cell.tone)
                for part, cell in zip(parts, cells, strict=True)
            ],
            columns,
            kept,
            widths,
        )
        for at in range(height)
    ]


def _line(
    texts: Sequence[tuple[str, Tone | None]],
    columns: Sequence[Column],
    kept: Sequence[int],
    widths: dict[int, int],
) -> list[tuple[str, Tone | None]]:
    line = []
    for (text, tone), place in zip(texts, kept, strict=True):
        line.append((padded(text, widths[place], right=columns[place].right), tone))
    while len(line) > 1 and not line[-1][0].strip():
        line.pop()
    if line:
        line[-1] = (line[-1][0].rstrip(), line[-1][1])
    return line


def _cell(value: object) -> Cell:
    if isinstance(value, Cell):
        text = NOTHING if value.text is None or value.text == "" else value.text + value.keep
        return value._replace(text=shown_on_one_line(text), keep=shown_on_one_line(value.keep))
    if value is None:
        return Cell(NOTHING)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    return Cell(shown_on_one_line(str(value)))


def _sort_key(value: object, *, behind: bool) -> Any:
    """None for what is not known. Texts are ordered as people do: ac-2 before ac-10.

    `behind`: the cells of the column have something behind their texts to be sorted by.
    """
    found = value
    if isinstance(value, Cell):
        found = value.sort if behind else value.text
    if found is None or found in ("", NOTHING):
        return None
    if isinstance(found, str):
        parts = _DIGITS.split(found.casefold())
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return found


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")
