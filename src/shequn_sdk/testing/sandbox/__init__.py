"""The sandbox: local servers that behave like the platforms."""
