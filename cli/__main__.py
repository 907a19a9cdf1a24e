"""`python -m npr_cli` is the same as `npr`."""

from __future__ import annotations

import sys

from npr_cli.main import main

sys.exit(main())
