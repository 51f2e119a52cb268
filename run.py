"""Run one benchmark, a sweep, or a sub-command: ``python run.py --help``."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # this checkout, whatever else is installed

from frostmark.cli import main

if __name__ == "__main__":
    # The jobs of a sweep may be processes of their own: they find the same checkout.
    os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], *filter(None, [os.environ.get("PYTHONPATH")])])
    main()
