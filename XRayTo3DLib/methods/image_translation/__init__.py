"""From a radiograph to the DRR of its bones alone: pix2pix (Isola 2017; Shiode 2021) and histogram matching."""
