"""The protocol: names of methods, and conversion to and from lsprotocol's types."""
