"""Makes the catalogue's data and the generated types from the facts; not part of the wheel."""
