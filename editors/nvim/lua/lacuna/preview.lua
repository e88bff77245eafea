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
  M._draw_old(edit)
  if #edit.new == 1 then
    M._draw_between(edit)
  else
    M._draw_lines(edit)
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
  local begins = vim.fn.screenpos(0, edit.row + 1, 1).row -- 0 where it is out of view
  local ends = vim.fn.screenpos(0, edit.end_row + 1, math.max(#edit.lines[#edit.lines], 1)).row
  local above, below = M._room(edit)
  return begins > 0 and ends > 0 and begins - above >= top and ends + below < top + window.height
end

--- Scroll the current window to an edit that the cursor is at.
---@param edit lacuna.Edit
function M.scroll_to(edit)
  vim.cmd("normal! " .. (M.is_in_view(edit) and "zv" or "zvzz"))
  local above = M._room(edit)
  if above > 0 and vim.fn.line("w0") == edit.row + 1 then
    vim.fn.winrestview({ topfill = above }) -- nothing else shows what is above a window's first line
  end
end

---@param edit lacuna.Edit
function M._draw_old(edit)
  if not edit:is_insertion() then
    M._mark(edit.buf, edit.row, edit.col, {
      end_row = edit.end_row,
      end_col = edit.end_col,
      hl_group = "LacunaEditDelete",
    })
  end
end

--- One line: behind what goes.
---@param edit lacuna.Edit
function M._draw_between(edit)
  local line = edit.lines[#edit.lines]:sub(1, edit.end_col)
  local new = text.expand_tabs(edit.new[1], vim.fn.strdisplaywidth(line), vim.bo[edit.buf].tabstop)
  if new ~= "" then
    local mark = { virt_text = { { new, "LacunaEditAdd" } }, virt_text_pos = "inline" }
    M._mark(edit.buf, edit.end_row, edit.end_col, mark)
  end
end

--- Several lines: as they will stand, below those that they replace. New lines alone are drawn where they will be.
---@param edit lacuna.Edit
function M._draw_lines(edit)
  local rows, is_above = M._rows(edit)
  M._mark(edit.buf, edit.end_row, edit.end_col, { virt_lines = rows, virt_lines_above = is_above })
end

--- The rows that several new lines take, and whether above what is there.
---@param edit lacuna.Edit
---@return [string, string][][]
---@return boolean is_above
function M._rows(edit)
  local is_above = edit:is_insertion() and edit.col == 0 and edit.new[#edit.new] == ""
  local is_below = edit:is_insertion() and edit:after() == "" and edit.new[1] == ""
  local rows = {} ---@type [string, string][][]
  for at = is_below and 2 or 1, is_above and #edit.new - 1 or #edit.new do
    local before, new = at == 1 and edit:before() or "", edit.new[at]
    local indent = before:find("%S") and "" or new:match("^%s*")
    local after = at == #edit.new and edit:after() or ""
    local line = { { before .. indent, "LacunaMoved" }, { new:sub(#indent + 1), "LacunaEditAdd" } }
    vim.list_extend(rows, M._wrapped(vim.list_extend(line, { { after, "LacunaMoved" } }), edit.buf))
  end
  return rows, is_above
end

--- A line as rows of the current window, if that shows the buffer and wraps its lines.
---@param line [string, string][]
---@param buf integer
---@return [string, string][][]
function M._wrapped(line, buf)
  local window = vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
  local width = (window.bufnr == buf and vim.wo.wrap) and window.width - window.textoff or math.huge
  local rows, column, cells = { {} }, 0, 0 ---@type [string, string][][], integer, integer
  for _, chunk in ipairs(line) do
    local expanded = text.expand_tabs(chunk[1], column, vim.bo[buf].tabstop)
    column = column + vim.api.nvim_strwidth(expanded)
    local pieces ---@type string[]
    pieces, cells = text.wrap(expanded, cells, width)
    for at, piece in ipairs(pieces) do
      if at > 1 then
        table.insert(rows, {})
      end
      table.insert(rows[#rows], { piece, chunk[2] })
    end
  end
  return rows
end

--- How many rows the new lines take above and below what is there.
---@param edit lacuna.Edit
---@return integer above
---@return integer below
function M._room(edit)
  local rows, is_above = M._rows(edit)
  local count = #edit.new == 1 and 0 or #rows
  return is_above and count or 0, is_above and 0 or count
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
