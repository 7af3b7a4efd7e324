"""What any adapter must do, written once and bound to each of them.

The fixture `container` is the blog under test.
"""
