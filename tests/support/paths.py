"""The folder of the project, for tests wherever they lie."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
