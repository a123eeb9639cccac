"""The former place of `sightline.storage.model_store`, for recipes of one's own; kept for one release."""

import sys

from sightline.storage.model_store import main

if __name__ == "__main__":
    sys.exit(main())
