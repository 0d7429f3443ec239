"""`python -m shequn_sdk.cli`: the same as `shequn`."""

from shequn_sdk.cli import main

main()
