"""Tables, figures and the report: they read numbers and show them."""
