"""The metrics that come with the package, one module per subject."""
