"""Where members come from: tagged links, short links that count, named entrances, and partners."""
