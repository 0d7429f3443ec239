"""Alembic's entry: migrates the connection that the store hands over, inside the store's transaction."""

from __future__ import annotations

from alembic import context

from shequn_sdk.stores.schema import load_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=load_tables(),
    render_as_batch=True,
)
context.run_migrations()
