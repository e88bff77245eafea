if vim.g.loaded_lacuna then
  return
end
vim.g.loaded_lacuna = true

if vim.fn.has("nvim-0.10") == 0 then
  vim.api.nvim_echo({ { "Lacuna needs Neovim 0.10 or newer", "WarningMsg" } }, true, {})
  return
end

vim.api.nvim_create_user_command("Lacuna", function(call)
  require("lacuna.command").run(call.fargs, call.range > 0 and { first = call.line1, last = call.line2 } or nil)
end, {
  nargs = "*",
  range = true,
  desc = "Lacuna: suggestions of a local diffusion language model",
  complete = function(lead, line)
    return require("lacuna.command").complete(lead, line)
  end,
})
