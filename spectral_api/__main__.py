"""``python -m spectral_api``: the server, with the options of ``spectral serve``."""

import sys

from spectral_api.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
