"""TL-net (Girdhar et al. 2016; Shiode et al. 2021): bones from radiographs through a code that bones can have."""
