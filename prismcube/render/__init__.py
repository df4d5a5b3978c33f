"""Pictures of slices: styles and what they do to values."""
