"""Feeds that the community follows, what they bring, and what is talked about: items to drafts, trends, open questions."""
