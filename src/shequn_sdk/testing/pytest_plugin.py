"""Pytest plugin for developers of platform plugins: the contract suite and its fixtures."""
