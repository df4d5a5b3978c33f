"""Where files lie: URIs, and what opens them. Remote storage comes here."""
