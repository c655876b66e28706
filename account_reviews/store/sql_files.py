"""SQL that is longer than a few lines stands in files beside the module that runs it."""

from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]


def read_sql(package: str, name: str) -> str:
    """The statement in the file `name` in the folder `sql/` of a package of ours.

    A package that is itself called `sql` keeps its files beside its modules. FileNotFoundError.
    """
    folder = _ROOT.joinpath(*package.split("."))
    if folder.name != "sql":
        folder /= "sql"
    return (folder / name).read_text(encoding="utf-8")
