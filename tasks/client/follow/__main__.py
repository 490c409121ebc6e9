"""`python -m tasks.client.follow URL`."""

import sys

from tasks.client.follow import main

sys.exit(main())
