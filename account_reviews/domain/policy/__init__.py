"""Every number of the rules, checked, with a sentence for each mistake."""
