"""Section 3: a data set of cases on disk: made, registered, reviewed, split."""
