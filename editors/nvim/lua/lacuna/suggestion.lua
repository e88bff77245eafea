--- One suggestion: what it wants to put where, and how much of it is there already, by the text as it is now.

local text = require("lacuna.text")

---@class lacuna.Suggestion
---@field item table the server's item, for its reports
---@field text string what is to stand between `before` and `after` at last
---@field line_end string the item's; that of `text` is "\n"
---@field buf integer
---@field row integer where it begins, from 0
---@field before string the line up to where it begins
---@field after string the line from where it ends
local Suggestion = {}
Suggestion.__index = Suggestion

---@class lacuna.Place where a suggestion goes on in the text as it is now
---@field row integer from 0
---@field col integer in bytes, from 0
---@field rest string what is still to be put in, from the cursor on
---@field closers string what stands right of the cursor and is part of `rest`
---@field indices integer[] where in `rest`, one for each of `closers`
---@field after string the line behind the closers

--- A suggestion from what the server answered.
---@param item table lsp.InlineCompletionItem
---@param buf integer
---@param cursor {row: integer, col: integer} from 0, for an item without a range
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return lacuna.Suggestion
function Suggestion.new(item, buf, cursor, encoding)
  local row = item.range and item.range.start.line or cursor.row
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ""
  local first, last = cursor.col, cursor.col
  if item.range then
    first = text.byte_index(line, item.range.start.character, encoding)
    last = text.byte_index(line, item.range["end"].character, encoding)
  end
  local inserted = type(item.insertText) == "table" and item.insertText.value or item.insertText
  return setmetatable({
    item = item,
    text = inserted:gsub("\r\n?", "\n"),
    line_end = inserted:find("\r\n", 1, true) and "\r\n" or "\n",
    buf = buf,
    row = row,
    before = line:sub(1, first),
    after = line:sub(last + 1),
  }, Suggestion)
end

--- Where it goes on from the cursor; nil if the text says otherwise by now, or all of it is there.
---@param row integer the cursor's, from 0
---@param col integer in bytes, from 0
---@return lacuna.Place?
function Suggestion:place(row, col)
  local lines = row >= self.row and vim.api.nvim_buf_get_lines(self.buf, self.row, row + 1, false) or {}
  if #lines ~= row - self.row + 1 or not vim.startswith(lines[1], self.before) then
    return nil
  end
  local right = lines[#lines]:sub(col + 1)
  lines[#lines] = lines[#lines]:sub(1, col)
  local typed = table.concat(lines, "\n"):sub(#self.before + 1)
  local rest = vim.startswith(self.text, typed) and self.text:sub(#typed + 1) or ""
  if rest == "" or not vim.endswith(right, self.after) then
    return nil
  end
  local closers = right:sub(1, #right - #self.after)
  local indices = text.find_closers(closers, rest)
  return indices and { row = row, col = col, rest = rest, closers = closers, indices = indices, after = self.after }
end

--- Put the beginning of what is missing into the text, and the cursor behind it.
---@param place lacuna.Place
---@param piece string the beginning of `place.rest`
function Suggestion:insert(place, piece)
  local replaced = #vim.tbl_filter(function(index)
    return index <= #piece
  end, place.indices)
  local lines = vim.split(piece, "\n", { plain = true })
  vim.api.nvim_buf_set_text(self.buf, place.row, place.col, place.row, place.col + replaced, lines)
  local col = #lines == 1 and place.col or 0
  vim.api.nvim_win_set_cursor(0, { place.row + #lines, col + #lines[#lines] })
end

--- How much of the item is in the text once `missing` is all that is left of it, in UTF-16 units.
---@param missing string
---@return integer
function Suggestion:accepted_length(missing)
  local taken = self.text:sub(1, #self.text - #missing)
  local lines = self.line_end == "\n" and taken or taken:gsub("\n", self.line_end)
  return text.length(lines, "utf-16")
end

return Suggestion
