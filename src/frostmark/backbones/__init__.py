"""Networks with weights, frozen: what can be tapped in them, and the rows they make."""
