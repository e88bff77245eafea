"""What the tests in real editors share: this folder is on the path of imports."""
