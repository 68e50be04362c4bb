"""A student as a model of the pool: its card, its table in models.toml, its server."""
