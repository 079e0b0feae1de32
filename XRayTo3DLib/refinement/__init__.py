"""Any reconstruction refined against the radiographs, from any number of views, with honest uncertainty."""
