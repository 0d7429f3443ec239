"""Journeys: what is said and done to members step by step, by day or event."""
