"""Enrolment, the box's side."""
