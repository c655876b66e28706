"""The migrations form one line, and the code knows its end."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from account_reviews.store import migration


def test_revisions_are_one_line_in_the_order_of_their_files() -> None:
    folder = Path(migration.__file__).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    scripts = ScriptDirectory.from_config(config)
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    files = sorted(path.stem for path in (folder / "versions").glob("[0-9]*.py"))
    assert line == files
    assert scripts.get_heads() == [migration.head_revision()] == [files[-1]]
