"""A student against its base: asked alike, compared in pairs, told to the log."""
