"""What happens while and after the images pass: thin, order-free."""
