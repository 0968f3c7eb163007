"""Scratch databases: where they can be created, built from the chain or from the models."""
