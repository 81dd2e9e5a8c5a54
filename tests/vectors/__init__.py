"""What goes in and what must come out, as tables; `test_three_ways.py` runs each three ways."""
