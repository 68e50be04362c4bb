"""The models that a user has, with their prices, abilities and strategies."""
