"""Model level: the best answers in a log train a student, and the student joins the pool."""
