"""`python -m vragd`."""

import sys

from vragd.cli.main import main

sys.exit(main())
