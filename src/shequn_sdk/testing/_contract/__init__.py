"""The parts of the contract suite; `shequn_sdk.testing.contract` puts them together."""
