"""Order: what is recognised in messages, the rules that answer it, and what is done, undone and explained."""
