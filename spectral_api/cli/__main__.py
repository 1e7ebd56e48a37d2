"""``python -m spectral_api.cli``: the command line."""

from spectral_api.cli import main

main()
