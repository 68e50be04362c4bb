"""Ways to train a student: here with TRL, or as a job of a provider."""
