"""Tables of inputs and expected outputs; `test_four_ways.py` runs each in four ways."""
