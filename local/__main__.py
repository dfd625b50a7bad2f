"""Starts the tool: `python3 -m local --help`.

Its syntax is old enough that an old Python reports the requirement instead of a syntax error.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "registrar: Python 3.10 or newer is needed, this is %d.%d (make PYTHON=python3.12 uses another)"
        % sys.version_info[:2]
    )

from local.cli import main

sys.exit(main())
