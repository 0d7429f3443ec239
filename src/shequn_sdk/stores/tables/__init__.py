"""Tables, one module per room."""
