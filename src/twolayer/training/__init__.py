"""The loop that trains, what it starts from, and what it leaves."""
