"""What the servers speak: a request of ours as their body, their events as pieces of text."""
