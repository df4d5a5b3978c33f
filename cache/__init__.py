"""The tile store, the front that answers hits, seeding and invalidation."""
