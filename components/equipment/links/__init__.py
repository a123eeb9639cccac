"""Ways to talk to a machine; `link` says what they have in common, `registry` lists them."""
