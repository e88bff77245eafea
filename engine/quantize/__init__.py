"""`lacuna quantize`: a checkpoint's weights in fewer bits, matrix by matrix, in the layout of compressed-tensors."""
