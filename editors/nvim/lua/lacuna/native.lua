--- Suggestions by Neovim's own `vim.lsp.inline_completion`, with a guard against what it shows too long.

local Suggestion = require("lacuna.suggestion")
local client = require("lacuna.client")
local report = require("lacuna.report")
local text = require("lacuna.text")

local M = {}

M.IS_THERE = vim.lsp.inline_completion ~= nil

local NAMESPACE = "nvim.lsp.inline_completion"

--- Let Neovim show a client's suggestions in a buffer, or keep it from that, also where the user has it do so for all
--- clients: they would be there twice.
---@param attached vim.lsp.Client
---@param buf integer
---@param is_on boolean
function M.enable(attached, buf, is_on)
  if not M.IS_THERE then
    return
  elseif is_on then
    vim.lsp.inline_completion.enable(true, { client_id = attached.id, bufnr = buf })
    vim.lsp.inline_completion.enable(true, { bufnr = buf })
  else
    vim.lsp.inline_completion.enable(false, { client_id = attached.id })
  end
end

---@return boolean
function M.is_visible()
  local namespace = vim.api.nvim_get_namespaces()[NAMESPACE]
  return namespace ~= nil and #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

--- Take a piece, if it still fits the text. Neovim 0.12 shows a suggestion while it is typed on, and would put it in
--- where it began once.
---@param piece lacuna.Piece
---@return boolean
function M.take(piece)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      M._take(item, piece)
    end,
  })
end

---@param count integer
---@return boolean
function M.go_on(count)
  local is_shown = M.is_visible()
  if is_shown then
    vim.lsp.inline_completion.select({ count = count })
  end
  return is_shown
end

---@return boolean
function M.dismiss()
  local was_shown = M.is_visible()
  if was_shown then -- there is no function for it
    vim.lsp.inline_completion.enable(false, { bufnr = 0 })
    vim.lsp.inline_completion.enable(true, { bufnr = 0 })
  end
  return was_shown
end

---@param item vim.lsp.inline_completion.Item
---@param piece lacuna.Piece
function M._take(item, piece)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local suggestion = M._suggestion(item, row, col)
  local place = suggestion:place(row, col)
  if place then
    local cut = { word = text.first_word, line = text.first_line }
    local taken = cut[piece] and cut[piece](place.rest) or place.rest
    suggestion:insert(place, taken)
    local server = client.of(0)
    if server then
      report.taken(server, suggestion, place.rest:sub(#taken + 1))
    end
  end
end

--- An item of Neovim's, whose range is where it was when the answer came.
---@param item vim.lsp.inline_completion.Item
---@param row integer
---@param col integer
---@return lacuna.Suggestion
function M._suggestion(item, row, col)
  local suggestion = Suggestion.new(
    { insertText = item.insert_text, command = item.command },
    0,
    { row = row, col = col },
    "utf-8"
  )
  if item.range then
    local first_row, first_col, _, last_col = item.range:to_extmark()
    local line = vim.api.nvim_buf_get_lines(0, first_row, first_row + 1, false)[1] or ""
    suggestion.row, suggestion.before = first_row, line:sub(1, first_col)
    suggestion.after = row == first_row and line:sub(math.max(last_col, col) + 1) or suggestion.after
  end
  return suggestion
end

return M
