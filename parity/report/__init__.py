"""The rows for a person, as text or as a page, and for a program."""
