"""The `diffusion_gemma` family: an encoder reads text into a cache, a decoder denoises a canvas, one set of weights."""
