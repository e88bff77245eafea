"""The model store: what is fetched, converted and kept on the user's disk."""
