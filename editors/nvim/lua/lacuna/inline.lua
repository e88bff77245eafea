--- Suggestions of one buffer, from a key to ghost text: when to ask, what to show, what to take.

local Suggestion = require("lacuna.suggestion")
local client = require("lacuna.client")
local config = require("lacuna.config")
local ghost = require("lacuna.ghost")
local menu = require("lacuna.menu")
local report = require("lacuna.report")
local text = require("lacuna.text")

---@alias lacuna.Piece "all"|"word"|"line"
---@alias lacuna.Trigger "automatic"|"invoked"

---@class lacuna.Inline
---@field buf integer
---@field suggestions lacuna.Suggestion[] the best first
---@field index integer which of them is shown
---@field invoked boolean whether they were asked for, so that there are no more of them
---@field dismissed_at? integer the changedtick at which the user wanted to see none
---@field pending? {client: vim.lsp.Client, id: integer} the request under way
---@field timer? uv.uv_timer_t
local Inline = {}
Inline.__index = Inline

local TRIGGER_KINDS = { invoked = 1, automatic = 2 } ---@type table<lacuna.Trigger, integer>

---@type table<integer, lacuna.Inline>
local by_buffer = {}

local M = {}

--- The buffer's suggestions; nil where Lacuna is not attached.
---@param buf? integer default: the current one
---@return lacuna.Inline?
function M.of(buf)
  return by_buffer[buf or vim.api.nvim_get_current_buf()]
end

--- Suggest in a buffer from now on.
---@param buf integer
function M.attach(buf)
  if by_buffer[buf] then
    return
  end
  local inline = setmetatable({ buf = buf, suggestions = {}, index = 1, invoked = false }, Inline)
  by_buffer[buf] = inline
  local group = vim.api.nvim_create_augroup("lacuna.inline." .. buf, {})
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, buffer = buf, callback = callback })
  end
  on({ "CursorMovedI", "TextChangedI", "TextChangedP", "CompleteDone", "CompleteChanged" }, function()
    inline:changed()
  end)
  -- The mode is Insert only after this event, and no other event follows where the cursor stays where it was.
  on({ "InsertEnter" }, function()
    vim.schedule(function()
      if by_buffer[buf] == inline and not inline.pending then -- else a key has asked meanwhile
        inline:changed()
      end
    end)
  end)
  on({ "InsertLeave", "BufLeave" }, function()
    inline:clear()
  end)
  on({ "BufUnload" }, function()
    M.detach(buf)
  end)
end

--- Suggest no more in a buffer.
---@param buf integer
function M.detach(buf)
  local inline = by_buffer[buf]
  if inline then
    inline:clear()
    vim.api.nvim_del_augroup_by_name("lacuna.inline." .. buf)
    by_buffer[buf] = nil
  end
end

--- All attached buffers.
---@return integer[]
function M.buffers()
  return vim.tbl_keys(by_buffer)
end

--- The text or the cursor is not what it was: keep what still fits, and ask anew when no more keys come.
function Inline:changed()
  self:cancel()
  self:show()
  if config.options.auto and self:is_wanted() and self.dismissed_at ~= self:tick() then
    self.timer = vim.defer_fn(function()
      self:ask("automatic")
    end, config.options.wait_ms)
  end
end

--- The suggestion that is shown, or would be once Neovim gets to it, and where it goes on in the text as it is now.
---@return lacuna.Suggestion?
---@return lacuna.Place?
function Inline:current()
  local suggestion = self.suggestions[self.index]
  if not suggestion or not self:is_wanted() then
    return nil
  end
  local cursor = vim.api.nvim_win_get_cursor(0)
  local place = suggestion:place(cursor[1] - 1, cursor[2])
  if place then
    return suggestion, place
  end
end

--- Whether there should be suggestions here and now.
---@return boolean
function Inline:is_wanted()
  return vim.api.nvim_get_current_buf() == self.buf
    and vim.startswith(vim.api.nvim_get_mode().mode, "i")
    and config.is_on(self.buf)
    and config.options.settings.completion ~= "plain"
    and vim.fn.reg_executing() == ""
    and (config.options.show_with_menu or not menu.is_visible())
end

--- Ask the server.
---@param trigger lacuna.Trigger
---@param then_show? integer how many suggestions to go on by, once the answer is there
function Inline:ask(trigger, then_show)
  self:cancel()
  local server = client.of(self.buf)
  if not server or not self:is_wanted() then
    return
  end
  local cursor = vim.api.nvim_win_get_cursor(0)
  local asked = { tick = self:tick(), row = cursor[1] - 1, col = cursor[2], trigger = trigger, go_on = then_show or 0 }
  local params = vim.lsp.util.make_position_params(0, server.offset_encoding) --[[@as table]]
  params.context = { triggerKind = TRIGGER_KINDS[trigger] }
  local id ---@type integer?
  id = client.request(server, "textDocument/inlineCompletion", params, function(err, result)
    if self.pending and self.pending.id == id then
      self.pending = nil
      self:answered(server, asked, not err and result or nil)
    end
  end, self.buf)
  self.pending = id and { client = server, id = id }
end

--- An answer to the newest request. Nil says nothing about what should be shown, an empty list that it goes.
---@param server vim.lsp.Client
---@param asked {tick: integer, row: integer, col: integer, trigger: lacuna.Trigger, go_on: integer}
---@param result? table
function Inline:answered(server, asked, result)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local is_stale = asked.tick ~= self:tick() or asked.row ~= cursor[1] - 1 or asked.col ~= cursor[2]
  if is_stale or not result or result == vim.NIL or not self:is_wanted() then
    return
  end
  self.suggestions = vim
    .iter(result.items or result)
    :map(function(item)
      return Suggestion.new(item, self.buf, asked, server.offset_encoding)
    end)
    :filter(function(suggestion)
      return suggestion:place(asked.row, asked.col) ~= nil
    end)
    :totable()
  self.invoked = asked.trigger == "invoked"
  self.index = math.max(1, asked.go_on % math.max(1, #self.suggestions) + 1)
  self:show(asked.go_on ~= 0)
  local shown = self:current()
  if shown then
    report.shown(server, shown)
  end
end

--- Draw what is to be seen now, or nothing.
---@param counts? boolean whether to say which of how many it is
function Inline:show(counts)
  local _, place = self:current()
  if place then
    local note = counts and ("(%d/%d)"):format(self.index, #self.suggestions) or nil
    ghost.draw(self.buf, place, note)
  else
    ghost.clear(self.buf)
  end
end

--- Take a piece of what is suggested by the text as it is now.
---@param piece lacuna.Piece
---@return boolean taken
function Inline:take(piece)
  local suggestion, place = self:current()
  if not suggestion or not place then
    return false
  end
  local cut = { word = text.first_word, line = text.first_line }
  local taken = cut[piece] and cut[piece](place.rest) or place.rest
  self:cancel()
  suggestion:insert(place, taken)
  local server = client.of(self.buf)
  if #taken == #place.rest then
    self.suggestions = {}
  end
  if server then
    report.taken(server, suggestion, place.rest:sub(#taken + 1))
  end
  self:show()
  return true
end

--- Show another suggestion; the first time, ask for more.
---@param count integer how many to go on by, negative to go back
---@return boolean whether there is anything to show or to ask for
function Inline:go_on(count)
  local is_shown = self:current() ~= nil
  if not self:is_wanted() or not client.of(self.buf) then
    return false
  elseif not is_shown or not self.invoked then
    self:ask("invoked", is_shown and count or 0)
  else
    self.index = (self.index - 1 + count) % #self.suggestions + 1
    self:show(true)
  end
  return true
end

--- Hide what is shown, until the text changes.
---@return boolean whether anything was shown
function Inline:dismiss()
  local was_shown = self:current() ~= nil
  self:clear()
  self.dismissed_at = self:tick()
  return was_shown
end

--- Show nothing, and wait for nothing.
function Inline:clear()
  self:cancel()
  self.suggestions, self.index = {}, 1
  ghost.clear(self.buf)
end

--- Wait for nothing; what is shown stays.
function Inline:cancel()
  if self.timer then
    self.timer:stop()
    if not self.timer:is_closing() then
      self.timer:close()
    end
    self.timer = nil
  end
  if self.pending then
    client.cancel(self.pending.client, self.pending.id)
    self.pending = nil
  end
end

---@return integer
function Inline:tick()
  return vim.api.nvim_buf_get_changedtick(self.buf)
end

return M
