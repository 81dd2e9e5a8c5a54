"""What goes in and what must come out, as tables; `test_four_ways.py` runs each four ways."""
