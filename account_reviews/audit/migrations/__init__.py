"""The schema `audit`, in a database of its own or ours."""
