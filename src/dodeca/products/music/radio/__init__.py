"""Radio as arithmetic: what plays at a moment, and which bytes that is. Knows no table, no HTTP and no clock."""
