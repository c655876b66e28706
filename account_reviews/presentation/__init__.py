"""What people read: documents, briefs, pages, charts."""
