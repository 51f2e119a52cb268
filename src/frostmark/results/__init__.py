"""What one run leaves behind: numbers, pictures, tables and words."""
