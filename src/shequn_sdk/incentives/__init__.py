"""What members earn: points in a double-entry ledger, badges, leaderboards, tiers and rewards."""
