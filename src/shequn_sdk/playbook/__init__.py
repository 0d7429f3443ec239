"""A community's plan as one file: `plan` reads it and says what is to be published when; `templates/` holds plans."""
