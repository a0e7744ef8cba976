"""What the tests of the Python clients share."""
