"""The probe script and its parser: node text to NodeFacts."""
