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

--- Whether the current window shows all that an edit replaces.
---@param edit lacuna.Edit
---@return boolean
function M.is_in_view(edit)
  return vim.api.nvim_get_current_buf() == edit.buf
    and edit.row + 1 >= vim.fn.line("w0")
    and edit.end_row + 1 <= vim.fn.line("w$")
    and vim.fn.foldclosed(edit.row + 1) == -1
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
  local is_above = edit:is_insertion() and edit.col == 0 and edit.new[#edit.new] == ""
  local is_below = edit:is_insertion() and edit:after() == "" and edit.new[1] == ""
  local first, last = is_below and 2 or 1, is_above and #edit.new - 1 or #edit.new
  local tabstop = vim.bo[edit.buf].tabstop
  local shown = {} ---@type [string, string][][]
  for at = first, last do
    local chunks, column = {}, 0 ---@type [string, string][], integer
    local function add(piece, highlight)
      local expanded = text.expand_tabs(piece, column, tabstop)
      column = column + vim.api.nvim_strwidth(expanded)
      table.insert(chunks, { expanded, highlight })
    end
    add(at == 1 and edit:before() or "", "LacunaMoved")
    add(edit.new[at], "LacunaEditAdd")
    add(at == #edit.new and edit:after() or "", "LacunaMoved")
    table.insert(shown, chunks)
  end
  M._mark(edit.buf, edit.end_row, edit.end_col, { virt_lines = shown, virt_lines_above = is_above })
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
