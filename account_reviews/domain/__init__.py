"""Pure rules and models: no clock, no I/O, no Temporal."""
