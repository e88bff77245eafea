"""The engine: text, tokens and tensors. It fills gaps in code by denoising a canvas; it knows no editor and no
protocol."""
