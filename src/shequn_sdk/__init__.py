"""Run an online community (社群) wherever its members are."""
