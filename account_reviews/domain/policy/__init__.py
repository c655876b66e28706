"""Every number of the rules, and what is wrong with one."""
