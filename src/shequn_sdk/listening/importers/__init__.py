"""Importers: history files become batches of interactions, streamed, resumable, with counted skips.

`import_file` in `importers.job` does it all; `importers.registry` finds the format; `importers.base` says what an
importer of one's own implements.
"""
