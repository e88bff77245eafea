--- Ghost text: draws what is missing of a suggestion, as the text will look once it is taken.

local text = require("lacuna.text")

local M = {}

M.namespace = vim.api.nvim_create_namespace("lacuna")

---@param buf integer
function M.clear(buf)
  if vim.api.nvim_buf_is_valid(buf) then
    vim.api.nvim_buf_clear_namespace(buf, M.namespace, 0, -1)
  end
end

--- Draw; whatever was drawn before is gone.
---@param buf integer
---@param place lacuna.Place
---@param note? string shown behind it, as in "(2/3)"
function M.draw(buf, place, note)
  M.clear(buf)
  local lines = vim.split(place.rest, "\n", { plain = true })
  local right = place.closers .. place.after
  if #lines == 1 then
    M._draw_between(buf, place, note)
  else
    M._draw_over(buf, place, lines, right, note)
  end
end

--- One line: pieces between the closers that are there already, and what follows is pushed to the right.
---@param buf integer
---@param place lacuna.Place
---@param note? string
function M._draw_between(buf, place, note)
  local from = 1
  for at, index in ipairs(place.indices) do
    M._inline(buf, place, at - 1, place.rest:sub(from, index - 1))
    from = index + 1
  end
  M._inline(buf, place, #place.indices, place.rest:sub(from))
  if note then
    M._mark(buf, place.row, place.col, { virt_text = { { note, "LacunaNote" } }, virt_text_pos = "eol" })
  end
end

---@param buf integer
---@param place lacuna.Place
---@param offset integer from the cursor, in bytes
---@param piece string
function M._inline(buf, place, offset, piece)
  if piece ~= "" then
    local shown = text.expand_tabs(piece, M._column(), vim.bo[buf].tabstop)
    local chunk = { virt_text = { { shown, "LacunaGhost" } }, virt_text_pos = "inline" }
    M._mark(buf, place.row, place.col + offset, chunk)
  end
end

--- Several lines: the first covers what stands right of the cursor, which moves behind the last.
---@param buf integer
---@param place lacuna.Place
---@param lines string[]
---@param right string what stands right of the cursor
---@param note? string
function M._draw_over(buf, place, lines, right, note)
  local tabstop = vim.bo[buf].tabstop
  local first = text.expand_tabs(lines[1], M._column(), tabstop)
  local hidden = vim.fn.strdisplaywidth(right, M._column()) - vim.api.nvim_strwidth(first)
  local below = {} ---@type [string, string][][]
  for at = 2, #lines do
    below[at - 1] = { { text.expand_tabs(lines[at], 0, tabstop), "LacunaGhost" } }
  end
  table.insert(below[#below], { place.after, "LacunaMoved" })
  if note then
    table.insert(below[#below], { " " .. note, "LacunaNote" })
  end
  M._mark(buf, place.row, place.col, {
    virt_text = { { first .. (" "):rep(math.max(0, hidden)), "LacunaGhost" } },
    virt_text_pos = right == "" and "inline" or "overlay",
    virt_lines = below,
  })
end

--- The cursor's screen column in its line, from 0.
---@return integer
function M._column()
  return vim.fn.virtcol(".") - 1
end

---@param buf integer
---@param row integer
---@param col integer
---@param mark vim.api.keyset.set_extmark
function M._mark(buf, row, col, mark)
  mark.hl_mode = "combine"
  vim.api.nvim_buf_set_extmark(buf, M.namespace, row, col, mark)
end

return M
