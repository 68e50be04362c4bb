"""What `auto` blends: small models of one score, each with a few settings to choose from."""
