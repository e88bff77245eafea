"""The `diffusion_gemma` family: an encoder that reads text into a cache, a decoder that denoises a canvas, one set of weights."""
