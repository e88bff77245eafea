--- One edit of the server's: what it replaces in which text, and the guard against doing so in any other text.

local client = require("lacuna.client")
local text = require("lacuna.text")

---@class lacuna.Edit rows and columns from 0, columns in bytes
---@field buf integer
---@field version integer? of the text that it is for
---@field row integer where it begins
---@field col integer
---@field end_row integer where what it replaces ends
---@field end_col integer
---@field lines string[] the whole lines from `row` to `end_row` as they are
---@field new string[] what comes
local Edit = {}
Edit.__index = Edit

--- An edit of a buffer's text as it is now, without what it leaves as it is; nil if it changes nothing.
---@param buf integer
---@param range lsp.Range
---@param new string
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return lacuna.Edit?
function Edit.new(buf, range, new, encoding)
  local row, col, is_start_behind = Edit._place(buf, range.start, encoding)
  local end_row, end_col, is_end_behind = Edit._place(buf, range["end"], encoding)
  new = new:gsub("\r\n?", "\n")
  if is_end_behind then -- Neovim's buffers have no last line end that could be replaced
    new = (is_start_behind and "\n" or "") .. new:gsub("\n$", "")
  end
  local old = table.concat(vim.api.nvim_buf_get_text(buf, row, col, end_row, end_col, {}), "\n")
  if old == new then
    return nil
  end
  local left, right = text.common_ends(old, new)
  row, col = Edit._beyond(row, col, old:sub(1, left))
  end_row, end_col = Edit._beyond(row, col, old:sub(left + 1, #old - right))
  return setmetatable({
    buf = buf,
    version = client.version(buf),
    row = row,
    col = col,
    end_row = end_row,
    end_col = end_col,
    lines = vim.api.nvim_buf_get_lines(buf, row, end_row + 1, false),
    new = vim.split(new:sub(left + 1, #new - right), "\n", { plain = true }),
  }, Edit)
end

--- Whether the text is still the one that it is for. The version does not say all: it begins anew with a reload.
---@return boolean
function Edit:is_current()
  return vim.api.nvim_buf_is_loaded(self.buf)
    and client.version(self.buf) == self.version
    and vim.deep_equal(vim.api.nvim_buf_get_lines(self.buf, self.row, self.end_row + 1, false), self.lines)
end

--- Make the edit, and put the cursor there if its buffer is the current one. It is undone alone.
function Edit:apply()
  assert(self:is_current(), "the edit is of another text")
  vim.api.nvim_buf_call(self.buf, function()
    vim.cmd("let &l:undolevels = &l:undolevels")
    vim.api.nvim_buf_set_text(self.buf, self.row, self.col, self.end_row, self.end_col, self.new)
    vim.cmd("let &l:undolevels = &l:undolevels")
  end)
  if vim.api.nvim_get_current_buf() == self.buf then
    vim.api.nvim_win_set_cursor(0, { self.row + 1, self.col })
  end
end

---@return boolean whether it is seen in whole lines: some come, or several become one
function Edit:is_of_lines()
  return #self.new > 1 or (self.row < self.end_row and self.new[1] ~= "")
end

--- The edit as whole lines, without those at both ends that stay as they are.
---@return integer row of the first one that goes, or that the new ones come before
---@return string[] old those that go
---@return string[] new those that come
function Edit:whole_lines()
  local old, new = self.lines, self:_new_lines()
  local first, last_old, last_new = 1, #old, #new
  -- The end first: a blank line that comes with others is above them, not below.
  while last_old > 0 and last_new > 0 and old[last_old] == new[last_new] do
    last_old, last_new = last_old - 1, last_new - 1
  end
  while first <= math.min(last_old, last_new) and old[first] == new[first] do
    first = first + 1
  end
  return self.row + first - 1, vim.list_slice(old, first, last_old), vim.list_slice(new, first, last_new)
end

--- The buffer's lines as they will be.
---@return string[]
function Edit:result()
  local lines = vim.api.nvim_buf_get_lines(self.buf, 0, -1, false)
  local result = vim.list_extend(vim.list_slice(lines, 1, self.row), self:_new_lines())
  return vim.list_extend(result, lines, self.end_row + 2)
end

--- What the lines from `row` to `end_row` become.
---@return string[]
function Edit:_new_lines()
  local new = vim.deepcopy(self.new)
  new[1] = self.lines[1]:sub(1, self.col) .. new[1]
  new[#new] = new[#new] .. self.lines[#self.lines]:sub(self.end_col + 1)
  return new
end

--- Where a position is in a buffer; behind the last line it is that line's end.
---@param buf integer
---@param position lsp.Position
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer row
---@return integer col
---@return boolean is_behind
function Edit._place(buf, position, encoding)
  local last = vim.api.nvim_buf_line_count(buf) - 1
  local row = math.min(position.line, last)
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1]
  local is_behind = position.line > last
  return row, is_behind and #line or text.byte_index(line, position.character, encoding), is_behind
end

--- Where a text ends that begins at a place.
---@param row integer
---@param col integer
---@param piece string
---@return integer row
---@return integer col
function Edit._beyond(row, col, piece)
  local lines = vim.split(piece, "\n", { plain = true })
  return row + #lines - 1, (#lines == 1 and col or 0) + #lines[#lines]
end

return Edit
