"""Hand-over to a person, for places without an open API for shequn-sdk."""
