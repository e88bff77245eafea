--- Who shows the suggestions: the plugin itself, or Neovim's own module. The same questions go to either.

local client = require("lacuna.client")
local config = require("lacuna.config")
local inline = require("lacuna.inline")
local native = require("lacuna.native")

local M = {}

local TAKE = { all = "<Plug>(lacuna-accept)", word = "<Plug>(lacuna-accept-word)", line = "<Plug>(lacuna-accept-line)" }

--- Show suggestions in every buffer that the server is attached to.
function M.start()
  for piece, key in pairs(TAKE) do
    vim.keymap.set("i", key, function()
      M.take(piece)
    end, { desc = "Lacuna: take the suggestion" })
  end
  local group = vim.api.nvim_create_augroup("lacuna.show", {})
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = "LacunaStatus",
    callback = function(event)
      M._status_changed(event.data)
    end,
  })
  vim.api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function(event)
      local attached = vim.lsp.get_client_by_id(event.data.client_id)
      if attached and attached.name == client.NAME then
        M._attach(attached, event.buf)
      end
    end,
  })
end

--- After a change of the options: show what is to be seen by them.
function M.switch()
  for _, attached in ipairs(vim.lsp.get_clients({ name = client.NAME })) do
    for buf in pairs(attached.attached_buffers) do
      M._attach(attached, buf)
    end
  end
  local current = inline.of()
  if current then
    current:clear()
    current:changed()
  end
end

--- Take a piece once the keys so far are worked off: a mapping with <expr> may not change the text itself.
---@param piece lacuna.Piece
---@return boolean
function M.take_soon(piece)
  local is_visible = M.is_visible()
  if is_visible then
    vim.api.nvim_feedkeys(vim.keycode(TAKE[piece]), "i", false)
  end
  return is_visible
end

--- Take a piece now.
---@param piece lacuna.Piece
---@return boolean
function M.take(piece)
  if not M.is_visible() then
    return false
  end
  vim.cmd("let &l:undolevels = &l:undolevels") -- so that it is undone alone
  if M._is_native() then
    return native.take(piece)
  end
  local current = inline.of()
  return current ~= nil and current:take(piece)
end

---@param count integer
---@return boolean
function M.go_on(count)
  if M._is_native() then
    return native.go_on(count)
  end
  local current = inline.of()
  return current ~= nil and current:go_on(count)
end

---@return boolean
function M.dismiss()
  if M._is_native() then
    return native.dismiss()
  end
  local current = inline.of()
  return current ~= nil and current:dismiss()
end

---@return boolean
function M.suggest()
  local current = inline.of()
  if not current or M._is_native() or not client.of(current.buf) or not current:is_wanted() then
    return false
  end
  current:ask("invoked")
  return true
end

---@return boolean
function M.is_visible()
  if M._is_native() then
    return native.is_visible()
  end
  local current = inline.of()
  return current ~= nil and current:current() ~= nil
end

--- Who waits for the model need not type on once it is there.
---@param status {state: string, before: string}
function M._status_changed(status)
  local current = inline.of()
  if current and status.state == "ready" and status.before == "loading" then
    current:changed()
  end
end

---@param attached vim.lsp.Client
---@param buf integer
function M._attach(attached, buf)
  local is_native = M._is_native()
  local is_on = is_native and config.options.settings.enabled and vim.b[buf].lacuna_enabled ~= false
  native.enable(attached, buf, is_on)
  if is_native then
    inline.detach(buf)
  else
    inline.attach(buf)
  end
end

---@return boolean
function M._is_native()
  return config.options.native and native.IS_THERE
end

return M
