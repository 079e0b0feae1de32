"""What is installed, which device computes, and how to get what is missing."""
