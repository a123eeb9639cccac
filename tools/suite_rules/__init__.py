"""The suite's own rules: each a pure function from what it looks at to lines that say what is wrong."""
