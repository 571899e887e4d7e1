"""What a study is: its configuration, checked, and the runs that follow from it."""
