"""The corpus's files live in the recipe, not in the package."""

import sys
from pathlib import Path

LOCAL = Path(__file__).resolve().parents[2] / "egs2/mini/speechtok1/local"
sys.path.insert(0, str(LOCAL))
