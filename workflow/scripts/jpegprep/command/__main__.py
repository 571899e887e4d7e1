"""``python -m jpegprep.command`` is the command where it is not installed."""

import sys

from jpegprep.command.main import main

sys.exit(main())
