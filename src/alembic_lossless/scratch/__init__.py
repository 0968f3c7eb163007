"""Scratch databases: where they can be made, built from the chain or from the models."""
