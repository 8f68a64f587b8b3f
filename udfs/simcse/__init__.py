"""Unsupervised SimCSE (Gao et al. 2021): sentence encoders from captions alone, in plain torch."""
