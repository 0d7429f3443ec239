"""What members say of the community: heard, answered, acted on, and told in public."""
