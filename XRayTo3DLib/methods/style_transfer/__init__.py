"""From a radiograph to a DRR of its bones, learnt without pairs: CycleGAN (Zhu et al. 2017; Kasten et al. 2020)."""
