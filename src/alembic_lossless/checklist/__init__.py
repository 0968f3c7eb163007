"""Rules that each migration is reviewed by."""
