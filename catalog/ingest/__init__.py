"""From a folder to songs in the database: the run, and the table of outcomes it writes by."""
