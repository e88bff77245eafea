--- Completion menus: Neovim's own and those of plugins, which draw windows of their own.

local M = {}

--- Whether one is open.
---@return boolean
function M.is_visible()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  local cmp, blink = package.loaded["cmp"], package.loaded["blink.cmp"]
  return (type(cmp) == "table" and cmp.visible ~= nil and cmp.visible())
    or (type(blink) == "table" and blink.is_visible ~= nil and blink.is_visible())
    or false
end

return M
