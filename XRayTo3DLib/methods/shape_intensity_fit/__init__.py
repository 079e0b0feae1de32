"""Statistical shape and intensity models fitted to radiographs, after Klima et al. (2015)."""
