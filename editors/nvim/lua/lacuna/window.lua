--- Windows that show text of ours; `q` closes them.

local M = {}

local MAX_WIDTH, MIN_HEIGHT, MAX_HEIGHT = 72, 4, 14 -- of a float

--- A window with a scratch buffer of this name, the one that is there already if there is one.
---@param name string
---@param kind "split"|"float"
---@return integer buf
---@return integer win
function M.open(name, kind)
  local buf = M._buffer("lacuna://" .. name)
  local win = vim.fn.bufwinid(buf)
  if win ~= -1 then
    return buf, win
  end
  if kind == "float" then
    win = vim.api.nvim_open_win(buf, false, M._float(name))
  else
    vim.cmd("botright 12split")
    win = vim.api.nvim_get_current_win()
    vim.api.nvim_win_set_buf(win, buf)
    vim.cmd.wincmd("p")
  end
  local options = { number = false, relativenumber = false, signcolumn = "no", wrap = true, winfixheight = true }
  for option, value in pairs(options) do
    vim.api.nvim_set_option_value(option, value, { win = win, scope = "local" })
  end
  return buf, win
end

--- Show lines in a split, and go there.
---@param name string
---@param lines string[]
---@param options? {at_end?: boolean}
---@return integer buf
function M.show(name, lines, options)
  local buf, win = M.open(name, "split")
  M.write(buf, lines)
  vim.api.nvim_set_current_win(win)
  vim.api.nvim_win_set_cursor(win, { options and options.at_end and vim.api.nvim_buf_line_count(buf) or 1, 0 })
  return buf
end

--- Replace what a buffer of ours holds.
---@param buf integer
---@param lines string[]
function M.write(buf, lines)
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  vim.bo[buf].modifiable = false
  vim.bo[buf].modified = false
end

--- Make a float as high as what it holds, within limits.
---@param win integer
---@param height integer in lines
function M.fit(win, height)
  if vim.api.nvim_win_get_config(win).relative ~= "" then
    vim.api.nvim_win_set_height(win, math.max(MIN_HEIGHT, math.min(MAX_HEIGHT, vim.o.lines - 6, height)))
  end
end

---@param name string
---@return integer
function M._buffer(name)
  local buf = vim.fn.bufnr("^" .. name .. "$")
  if buf ~= -1 and vim.api.nvim_buf_is_loaded(buf) then
    return buf
  end
  buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, name)
  vim.bo[buf].bufhidden = "wipe"
  vim.keymap.set("n", "q", "<Cmd>close<CR>", { buffer = buf, desc = "Close" })
  return buf
end

---@param title string
---@return vim.api.keyset.win_config
function M._float(title)
  return {
    relative = "editor",
    anchor = "SE",
    row = vim.o.lines - vim.o.cmdheight - 1,
    col = vim.o.columns,
    width = math.max(20, math.min(MAX_WIDTH, vim.o.columns - 4)),
    height = MIN_HEIGHT,
    style = "minimal",
    border = "rounded",
    title = " Lacuna: " .. title .. " ",
    focusable = true,
    zindex = 40,
  }
end

return M
