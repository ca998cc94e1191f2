"""What was tried on the same data: counted, told apart, and kept with its returns."""
