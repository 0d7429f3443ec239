"""Alembic migrations, one linear chain; a revision's id is the stem of its file."""
