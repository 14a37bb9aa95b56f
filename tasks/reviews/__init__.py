"""What people say of groups: their answers as they gave them, and what counts of them."""
