"""The central side: ingest, store, pages."""
