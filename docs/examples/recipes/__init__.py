"""One file for each server: it takes orders, and hears of their payment."""
