"""Who does the work: one file for each backend, the table of them, and the choice among them."""
