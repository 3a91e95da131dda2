"""What is under a guest's disk: files of the host, and the formats in them."""
