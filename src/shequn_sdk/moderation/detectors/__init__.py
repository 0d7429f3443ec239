"""Detectors: pure functions over one message, or over a short memory of messages. No input or output."""
