"""``python -m vmm`` is ``vmm``."""
from __future__ import annotations

import sys

from vmm.cli.main import main

sys.exit(main())
