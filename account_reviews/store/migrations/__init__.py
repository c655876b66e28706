"""The schema `reviews`, revision by revision."""
