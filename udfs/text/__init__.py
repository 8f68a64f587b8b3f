"""Text kernels: cutting captions into tokens and finding entries among them."""
