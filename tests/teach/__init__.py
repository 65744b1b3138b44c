"""Variants of students' functions, right and wrong, by which the check is judged."""
