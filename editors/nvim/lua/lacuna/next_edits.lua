--- Next edits, which follow from the user's last one, here or in another buffer: when to ask, what to show and take.

local Edit = require("lacuna.edit")
local client = require("lacuna.client")
local config = require("lacuna.config")
local documents = require("lacuna.documents")
local menu = require("lacuna.menu")
local preview = require("lacuna.preview")
local show = require("lacuna.show")

---@class lacuna.Offer a next edit that is shown, or would be where its place is in view
---@field edit lacuna.Edit
---@field item table what the server sent, for its reports
---@field server vim.lsp.Client
---@field was_seen boolean whether the server was told that it is on the screen
---@field was_gone_to boolean whether the user went there: no more of it comes in view

local M = {}

local NEAR = 10 -- lines between the cursor and an edit that is made without going there first
local TAKE = "<Plug>(lacuna-next-edit)"

local offer ---@type lacuna.Offer?
local pending ---@type {server: vim.lsp.Client, id: integer}?
local pauses = 0 -- how many were waited for; only the last of them counts
local asked = {} ---@type table<integer, integer?> of which version of each buffer's text the server was asked last

--- Offer next edits in every buffer that the server is attached to.
function M.start()
  vim.keymap.set({ "n", "i" }, TAKE, M.take, { desc = "Lacuna: go to the next edit, or make it" })
  local group = vim.api.nvim_create_augroup("lacuna.next_edits", {})
  local function on(events, callback, pattern)
    vim.api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end
  on({ "TextChanged", "TextChangedI", "TextChangedP", "InsertLeave", "BufEnter" }, M.changed)
  on({ "CursorMoved", "CursorMovedI", "WinScrolled", "WinEnter" }, M.show)
  on("LspAttach", function(event)
    local attached = vim.lsp.get_client_by_id(event.data.client_id)
    if attached and attached.name == client.NAME then
      asked[event.buf] = client.version(event.buf)
    end
  end)
  on("LspDetach", function(event)
    if offer and offer.server.id == event.data.client_id and offer.edit.buf == event.buf then
      M.clear()
    end
  end)
  on("User", function(event)
    if event.data.state == "ready" and event.data.before == "loading" then
      asked = {}
      M.changed()
    end
  end, "LacunaStatus")
end

--- The text may be another: take down what does not follow from it, and ask anew after a pause.
function M.changed()
  local buf = vim.api.nvim_get_current_buf()
  if client.of(buf) and asked[buf] ~= client.version(buf) then
    M.clear()
    if config.options.auto then
      pauses = pauses + 1
      local pause = pauses
      vim.defer_fn(function()
        if pause == pauses and vim.api.nvim_get_current_buf() == buf then
          M.ask()
        end
      end, M._is_typing() and config.options.next_edit_wait_ms or config.options.wait_ms)
    end
  else
    M.show()
  end
end

--- Ask the server, at the cursor.
---@param found_nothing? fun() called if nothing follows
---@return boolean whether it could be asked
function M.ask(found_nothing)
  M._cancel()
  local buf = vim.api.nvim_get_current_buf()
  local server = client.of(buf)
  if not server or not M._is_wanted(buf) then
    return false
  end
  local params = vim.lsp.util.make_position_params(0, server.offset_encoding) --[[@as table]]
  params.textDocument.version = client.version(buf)
  asked[buf] = params.textDocument.version
  local id ---@type integer?
  id = client.request(server, "textDocument/copilotInlineEdit", params, function(err, result)
    if pending and pending.id == id then
      pending = nil
      M._answered(server, not err and type(result) == "table" and result.edits or {})
      if not offer and found_nothing then
        found_nothing()
      end
    end
  end, buf)
  pending = id and { server = server, id = id }
  return id ~= nil
end

--- Draw what is to be seen now, or nothing.
function M.show()
  if not offer then
    return
  elseif not offer.edit:is_current() then
    M.clear()
  elseif not M._is_wanted(vim.api.nvim_get_current_buf()) then
    preview.clear()
  else
    preview.draw(offer.edit)
    if not offer.was_seen and preview.is_in_view(offer.edit) then
      offer.was_seen = true
      client.notify(offer.server, "textDocument/didShowInlineEdit", { item = offer.item })
    end
  end
end

---@return boolean
function M.is_visible()
  local buf = vim.api.nvim_get_current_buf()
  return offer ~= nil and client.of(buf) ~= nil and M._is_wanted(buf) and offer.edit:is_current()
end

--- Make the edit if the user sees it close by or has gone there, else go there.
---@return boolean whether there was anything to do
function M.take()
  if not offer or not M.is_visible() then
    return false
  elseif M._is_near(offer) then
    M._apply(offer)
  else
    M._go_to(offer.edit)
    offer.was_gone_to = true
    M.show()
  end
  return true
end

--- The same once the keys so far are worked off: a mapping with <expr> may not change the text itself.
---@return boolean
function M.take_soon()
  local is_visible = M.is_visible()
  if is_visible then
    vim.api.nvim_feedkeys(vim.keycode(TAKE), "i", false)
  end
  return is_visible
end

--- Hide the edit, and do not offer it again for the same text.
---@return boolean whether there was one
function M.dismiss()
  if not offer or not M.is_visible() then
    return false
  end
  client.execute(offer.server, "lacuna.dismissed", { offer.item.command.arguments[1] })
  M.clear()
  return true
end

--- Show nothing, and wait for nothing.
function M.clear()
  M._cancel()
  offer = nil
  preview.clear()
end

--- An answer to the newest request.
---@param server vim.lsp.Client
---@param items table[] at most one
function M._answered(server, items)
  M.clear()
  local item = items[1]
  local buf = item and M._buffer(server, item.textDocument.uri)
  if buf then
    asked[buf] = client.version(buf) -- going there is no reason to ask again
  end
  if buf and item.textDocument.version == client.version(buf) and vim.bo[buf].modifiable then
    local edit = Edit.new(buf, item.range, item.text, server.offset_encoding)
    offer = edit and { edit = edit, item = item, server = server, was_seen = false, was_gone_to = false }
    M.show()
  end
end

---@param server vim.lsp.Client
---@param uri string
---@return integer?
function M._buffer(server, uri)
  return vim.iter(vim.tbl_keys(server.attached_buffers)):find(function(buf)
    return vim.api.nvim_buf_is_loaded(buf) and documents.uri(buf) == uri
  end)
end

--- Make the edit, and ask for what follows from it.
---@param taken lacuna.Offer
function M._apply(taken)
  M.clear()
  vim.cmd("normal! m'")
  taken.edit:apply()
  client.execute(taken.server, taken.item.command.command, taken.item.command.arguments)
  M.ask()
end

---@param shown lacuna.Offer
---@return boolean
function M._is_near(shown)
  local edit, row = shown.edit, vim.api.nvim_win_get_cursor(0)[1] - 1
  local is_there = row == edit.row and vim.api.nvim_get_current_buf() == edit.buf
  return (is_there and shown.was_gone_to) or (preview.is_in_view(edit) and math.abs(row - edit.row) <= NEAR)
end

--- Go where the edit is, in a window that shows its buffer if there is one. The jump is in the jump list.
---@param edit lacuna.Edit
function M._go_to(edit)
  vim.cmd("normal! m'")
  if vim.api.nvim_get_current_buf() ~= edit.buf then
    local win = vim.iter(vim.api.nvim_tabpage_list_wins(0)):find(function(candidate)
      return vim.api.nvim_win_get_buf(candidate) == edit.buf
    end)
    if win then
      vim.api.nvim_set_current_win(win)
      vim.cmd("normal! m'")
    else
      vim.bo[edit.buf].buflisted = true
      vim.api.nvim_win_set_buf(0, edit.buf)
    end
  end
  local was_in_view = preview.is_in_view(edit) -- to move the cursor there scrolls as little as it can
  vim.api.nvim_win_set_cursor(0, { edit.row + 1, edit.col })
  preview.scroll_to(edit, was_in_view)
end

--- Whether there should be next edits here and now: while the user types, ghost text and menus come first.
---@param buf integer
---@return boolean
function M._is_wanted(buf)
  return config.options.settings.next_edits
    and config.is_on(buf)
    and vim.fn.reg_executing() == ""
    and not (M._is_typing() and (show.is_visible() or menu.is_visible()))
end

---@return boolean
function M._is_typing()
  return vim.api.nvim_get_mode().mode:find("^[isR]") ~= nil
end

function M._cancel()
  pauses = pauses + 1
  if pending then
    client.cancel(pending.server, pending.id)
    pending = nil
  end
end

return M
