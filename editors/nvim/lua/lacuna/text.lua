--- Text as the server counts it, and as people take it: encodings, words, brackets. Knows no buffers.

local M = {}

--- Lengths of UTF-8 characters by their first byte, and how many units of an encoding they take.
---@param byte integer
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer bytes
---@return integer units
local function character(byte, encoding)
  local bytes = byte < 0xC0 and 1 or byte < 0xE0 and 2 or byte < 0xF0 and 3 or 4
  return bytes, encoding == "utf-8" and bytes or (encoding == "utf-16" and bytes == 4 and 2) or 1
end

--- Where in a line `units` of an encoding are reached, in bytes. What is beyond the line is its end.
---@param line string
---@param units integer
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer byte from 0
function M.byte_index(line, units, encoding)
  local index = 0
  while units > 0 and index < #line do
    local bytes, taken = character(line:byte(index + 1), encoding)
    index, units = index + bytes, units - taken
  end
  return math.min(index, #line)
end

--- How many units of an encoding a text has.
---@param text string
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer
function M.length(text, encoding)
  local index, units = 0, 0
  while index < #text do
    local bytes, taken = character(text:byte(index + 1), encoding)
    index, units = index + bytes, units + taken
  end
  return units
end

--- The beginning of a text up to the end of its first word, or of its first run of other signs.
---@param text string
---@return string
function M.first_word(text)
  local word = vim.fn.matchstr(text, [[^\_s*\%(\k\+\|\%(\k\@!\n\@!\S\)\+\)]])
  return word ~= "" and word or text
end

--- The beginning of a text up to the end of its first line that is not blank, without the line end.
---@param text string
---@return string
function M.first_line(text)
  local line = text:match("^%s*[^\n]+")
  return line or text
end

--- How much of two texts is the same at their beginnings and at their ends, in bytes. No word is cut.
---@param old string
---@param new string
---@return integer left
---@return integer right
function M.common_ends(old, new)
  local shorter = math.min(#old, #new)
  local left, right = 0, 0
  while left < shorter and old:byte(left + 1) == new:byte(left + 1) do
    left = left + 1
  end
  while left > 0 and (M._is_in_word(old, left) or M._is_in_word(new, left)) do
    left = left - 1
  end
  while right < shorter - left and old:byte(#old - right) == new:byte(#new - right) do
    right = right + 1
  end
  while right > 0 and (M._is_in_word(old, #old - right) or M._is_in_word(new, #new - right)) do
    right = right - 1
  end
  return left, right
end

--- Whether a place between two bytes is inside of a word, or of a character.
---@param text string
---@param index integer
---@return boolean
function M._is_in_word(text, index)
  return text:sub(index, index + 1):find("^[%w_\128-\255][%w_\128-\255]$") ~= nil
end

M.MAX_CLOSERS = 4 -- more than that right of the cursor was not put there by an editor that closes brackets itself

--- Where the signs that an editor put right of the cursor by itself, as in `)`, stand in what is suggested.
---@param closers string
---@param text string
---@return integer[]? indices one for each, from 1; nil if they are no closers, or are not all in the text
function M.find_closers(closers, text)
  if #closers > M.MAX_CLOSERS or closers:find("[^%)%]}\"'`>]") then
    return nil
  end
  local indices, from = {}, 1
  for at = 1, #closers do
    local found = text:find(closers:sub(at, at), from, true)
    if not found then
      return nil
    end
    indices[at], from = found, found + 1
  end
  return indices
end

--- A text in pieces, one for each row of a screen that it is on.
---@param text string without tabs and line ends
---@param width number columns of a row
---@return string[] at least one
function M.wrap(text, width)
  local pieces, column = { "" }, 0
  for _, sign in ipairs(vim.fn.split(text, [[\zs]])) do
    local cells = vim.api.nvim_strwidth(sign)
    if column + cells > width then
      table.insert(pieces, "")
      column = 0
    end
    pieces[#pieces] = pieces[#pieces] .. sign
    column = column + cells
  end
  return pieces
end

--- A text with spaces for its tabs, as it looks from a screen column on.
---@param text string without line ends
---@param column integer from 0
---@param tabstop integer
---@return string
function M.expand_tabs(text, column, tabstop)
  local parts = {} ---@type string[]
  for part, tab in text:gmatch("([^\t]*)(\t?)") do
    column = column + vim.api.nvim_strwidth(part)
    local spaces = tab == "" and 0 or tabstop - column % tabstop
    column = column + spaces
    parts[#parts + 1] = part .. (" "):rep(spaces)
  end
  return table.concat(parts)
end

return M
