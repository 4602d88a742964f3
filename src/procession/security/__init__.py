"""What programs may do, and how it is known on whose word. SEMANTICS 14.3."""
