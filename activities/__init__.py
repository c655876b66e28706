"""Activities: thin, injected adapters. Empty on purpose, see workflows/__init__.py."""
