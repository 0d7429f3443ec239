"""From members to customers: shop, conversion, experiments."""
