"""`python -m rxfeed.cli`."""

import sys

from rxfeed.cli import main

sys.exit(main())
