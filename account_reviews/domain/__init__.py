"""Pure rules and models: pydantic and the standard library, no clock, no I/O."""
