"""Pine v6 text that trades by the one execution rule. Pure text: nothing here runs a script."""
