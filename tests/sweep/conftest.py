"""The seeded cases of the parity tests are those of the sweeps too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))
