"""Text as the engine reads it: tokens, token healing, syntax trees."""
