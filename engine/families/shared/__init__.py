"""What several families share: pure functions and layouts."""
