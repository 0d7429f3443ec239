"""The operational store: one place for everything that must survive a restart.

SQLAlchemy is imported with `shequn_sdk.stores.store`, not with this package.
"""
