--- What `vim.lsp.enable("lacuna")` starts, with or without `require("lacuna").setup()`.

---@type vim.lsp.Config
return require("lacuna.client").config()
