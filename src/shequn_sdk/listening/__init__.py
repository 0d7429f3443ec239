"""Listening: sources and webhooks, the durable inbox, dispatch, and importers of history.

Import what you need from the modules: `inbox`, `sources`, `dispatch`, `webhooks`, `importers`.
"""
