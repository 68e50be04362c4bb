"""How a call is answered: one retry loop, fallbacks along the ranking, one deadline."""
