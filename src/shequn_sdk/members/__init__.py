"""Who the members are: identities over platforms, persons, profiles, segments, journeys."""
