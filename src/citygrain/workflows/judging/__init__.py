"""Maps and runs judged by a reference, a table, or each other."""
