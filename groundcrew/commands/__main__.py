"""`python -m groundcrew.commands`."""

import sys

from groundcrew.commands import main

if __name__ == "__main__":
    sys.exit(main())
