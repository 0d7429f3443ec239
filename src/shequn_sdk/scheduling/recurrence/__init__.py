"""What recurs, and when: local time, rules, lunar dates, Chinese work days."""
