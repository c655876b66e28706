"""The verbs, a file per subject."""
