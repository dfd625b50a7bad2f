"""Starts the tool: `python3 -m local --help`.

Kept to syntax that an old Python can read, so that an old Python is told what is wrong instead of failing to parse.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "registrar: Python 3.10 or newer is needed, this is %d.%d (make PYTHON=python3.12 uses another)"
        % sys.version_info[:2]
    )

from local.cli import main

sys.exit(main())
