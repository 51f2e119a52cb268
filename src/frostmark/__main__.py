"""``python -m frostmark``: the same program as ``python run.py`` and ``frostmark``."""

from frostmark.cli import main

if __name__ == "__main__":
    main()
