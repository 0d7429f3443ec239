"""What members are invited to do: polls, questions, topics, contests, check-ins, lotteries, gatherings, sign-ups."""
