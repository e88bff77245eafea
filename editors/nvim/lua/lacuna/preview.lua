--- Draws an edit before it is made: what goes, what comes, and where it is if that is out of view.

local client = require("lacuna.client")
local text = require("lacuna.text")

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace("lacuna.preview")

local drawn_in = {} ---@type table<integer, true> buffers

function M.clear()
  for buf in pairs(drawn_in) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_buf_clear_namespace(buf, NAMESPACE, 0, -1)
    end
  end
  drawn_in = {}
end

--- Draw an edit; whatever was drawn before is gone.
---@param edit lacuna.Edit
function M.draw(edit)
  M.clear()
  if edit:is_of_lines() then
    M._draw_lines(edit)
  else
    M._draw_between(edit)
  end
  if not M.is_in_view(edit) then
    M._point_to(edit)
  end
end

--- Whether the current window shows all that an edit replaces, and the lines that it brings.
---@param edit lacuna.Edit
---@return boolean
function M.is_in_view(edit)
  if vim.api.nvim_get_current_buf() ~= edit.buf or vim.fn.foldclosed(edit.row + 1) ~= -1 then
    return false
  end
  local window = vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
  local top = window.winrow + window.winbar
  local first, last, above, below = M._extent(edit)
  local line = vim.api.nvim_buf_get_lines(edit.buf, last, last + 1, true)[1]
  local begins = vim.fn.screenpos(0, first + 1, 1).row -- 0 where it is out of view
  local ends = vim.fn.screenpos(0, last + 1, math.max(#line, 1)).row
  return begins > 0 and ends > 0 and begins - above >= top and ends + below < top + window.height
end

--- Scroll the current window to an edit that the cursor is at.
---@param edit lacuna.Edit
---@param was_in_view boolean before the cursor went there
function M.scroll_to(edit, was_in_view)
  vim.cmd("normal! " .. (was_in_view and "zv" or "zvzz"))
  local first, _, above = M._extent(edit)
  if above > 0 and vim.fn.line("w0") == first + 1 then
    vim.fn.winrestview({ topfill = above }) -- nothing else shows what is above a window's first line
  end
end

--- Words: behind those that go.
---@param edit lacuna.Edit
function M._draw_between(edit)
  if edit.row < edit.end_row or edit.col < edit.end_col then
    M._mark(edit.buf, edit.row, edit.col, {
      end_row = edit.end_row,
      end_col = edit.end_col,
      hl_group = "LacunaEditDelete",
    })
  end
  local line = edit.lines[#edit.lines]:sub(1, edit.end_col)
  local new = text.expand_tabs(edit.new[1], vim.fn.strdisplaywidth(line), vim.bo[edit.buf].tabstop)
  if new ~= "" then
    local mark = { virt_text = { { new, "LacunaEditAdd" } }, virt_text_pos = "inline" }
    M._mark(edit.buf, edit.end_row, edit.end_col, mark)
  end
end

--- Lines: as they will stand, below those that go. New lines alone are drawn where they will be.
---@param edit lacuna.Edit
function M._draw_lines(edit)
  local row, old, new = edit:whole_lines()
  for at, line in ipairs(old) do
    local indent = line:match("^%s*")
    if #indent < #line then
      local mark = { end_row = row + at - 1, end_col = #line, hl_group = "LacunaEditDelete" }
      M._mark(edit.buf, row + at - 1, #indent, mark)
    end
  end
  local _, last, above = M._extent(edit)
  local line = vim.api.nvim_buf_get_lines(edit.buf, last, last + 1, true)[1]
  M._mark(edit.buf, last, #line, { virt_lines = M._rows(new, edit.buf), virt_lines_above = above > 0 })
end

--- Which of the buffer's rows an edit is drawn at, and how many new ones above and below them.
---@param edit lacuna.Edit
---@return integer first
---@return integer last
---@return integer above
---@return integer below
function M._extent(edit)
  if not edit:is_of_lines() then
    return edit.row, edit.end_row, 0, 0
  end
  local row, old, new = edit:whole_lines()
  local count = #M._rows(new, edit.buf)
  if #old > 0 then
    return row, row + #old - 1, 0, count
  elseif row < vim.api.nvim_buf_line_count(edit.buf) then
    return row, row, count, 0
  end
  return row - 1, row - 1, 0, count
end

--- Lines as rows of the current window, if that shows the buffer and wraps its lines.
---@param lines string[]
---@param buf integer
---@return [string, string][][]
function M._rows(lines, buf)
  local window = vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
  local width = (window.bufnr == buf and vim.wo.wrap) and window.width - window.textoff or math.huge
  local rows = {} ---@type [string, string][][]
  for _, line in ipairs(lines) do
    local expanded = text.expand_tabs(line, 0, vim.bo[buf].tabstop)
    local indent = expanded:match("^ *")
    for at, piece in ipairs(text.wrap(expanded, width)) do
      local blank = at == 1 and indent or ""
      table.insert(rows, { { blank, "Normal" }, { piece:sub(#blank + 1), "LacunaEditAdd" } })
    end
  end
  return rows
end

--- Say at the end of the cursor's line where the edit is.
---@param edit lacuna.Edit
function M._point_to(edit)
  local buf = vim.api.nvim_get_current_buf()
  local place = ("line %d"):format(edit.row + 1)
  if edit.buf ~= buf then
    place = ("%s:%d"):format(vim.fn.fnamemodify(vim.api.nvim_buf_get_name(edit.buf), ":~:."), edit.row + 1)
  end
  if client.of(buf) then
    local mark = { virt_text = { { " → " .. place, "LacunaNote" } }, virt_text_pos = "eol" }
    M._mark(buf, vim.api.nvim_win_get_cursor(0)[1] - 1, 0, mark)
  end
end

---@param buf integer
---@param row integer
---@param col integer
---@param mark vim.api.keyset.set_extmark
function M._mark(buf, row, col, mark)
  drawn_in[buf] = true
  mark.hl_mode = "combine"
  vim.api.nvim_buf_set_extmark(buf, NAMESPACE, row, col, mark)
end

return M
