--- `:Lacuna watch`: the canvas of the current request, step by step, noise settling into code.

local client = require("lacuna.client")
local config = require("lacuna.config")
local window = require("lacuna.window")

---@class lacuna.Frame what the server says of one step
---@field request integer
---@field step integer
---@field cells {text: string?, accepted: boolean}[] without a text, a cell is noise still
---@field done boolean
---@field before string the line left of the hole
---@field after string the line right of it

---@alias lacuna.Chunk {[1]: string, [2]: string?} a text and its highlight

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace("lacuna.watch")
local NOISE = { "░", "▒", "▓" }
local MAX_WAITING = 64 -- frames; a request that makes more is shown faster than it can be followed anyway

local buf ---@type integer?
local waiting = {} ---@type lacuna.Frame[]
local rows = {} ---@type lacuna.Chunk[][] one for each step of the request that is shown
local shown_request ---@type integer?
local timer ---@type uv.uv_timer_t?

--- Open the window, or close it.
---@param kind? "float"|"split" default: the option
function M.toggle(kind)
  if buf and vim.fn.bufwinid(buf) ~= -1 then
    vim.api.nvim_win_close(vim.fn.bufwinid(buf), true)
    return
  end
  buf = window.open("watch", kind or config.options.watch.window)
  window.write(buf, { "Waiting for a request: type, or ask for a suggestion." })
  waiting, rows, shown_request = {}, {}, nil
  local group = vim.api.nvim_create_augroup("lacuna.watch", {})
  vim.api.nvim_create_autocmd("BufWipeout", { group = group, buffer = buf, callback = M._closed })
  vim.api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function() -- a server that was restarted does not know that somebody watches
      M._switch(true)
    end,
  })
  M._switch(true)
end

--- One more step. They are shown one after the other, each for a while.
---@param frame lacuna.Frame
function M.add(frame)
  if not buf then
    return
  end
  if #waiting > 0 and waiting[#waiting].request ~= frame.request then
    waiting = vim.tbl_filter(function(other) -- of what is over, how it ended is enough
      return other.done
    end, waiting)
  end
  table.insert(waiting, frame)
  if #waiting > MAX_WAITING then
    table.remove(waiting, 1)
  end
  if not timer then
    timer = vim.uv.new_timer()
    timer:start(0, math.max(1, config.options.watch.step_ms), vim.schedule_wrap(M._next))
  end
end

function M._next()
  local frame = table.remove(waiting, 1)
  if frame and buf then
    M._draw(frame)
  elseif timer then
    timer:close()
    timer = nil
  end
end

function M._closed()
  buf, waiting = nil, {}
  vim.api.nvim_del_augroup_by_name("lacuna.watch")
  M._switch(false)
end

---@param is_on boolean
function M._switch(is_on)
  local server = client.any()
  if server and not client.execute(server, "lacuna.frames", { is_on }) and is_on and buf then
    window.write(buf, { "This server cannot show its steps; it is older than the plugin." })
  end
end

--- The canvas in its line on top, the steps that led to it below.
---@param frame lacuna.Frame
function M._draw(frame)
  if frame.request ~= shown_request then
    rows, shown_request = {}, frame.request
  end
  local canvas = M._canvas(frame)
  if not frame.done or #rows == 0 then -- the last frame says no more than the step before it
    table.insert(rows, vim.list_extend({ { ("%3d  "):format(frame.step), "LineNr" } }, M._on_one_line(canvas)))
  end
  local head = ("request %d, step %d%s"):format(frame.request, frame.step, frame.done and ", done" or "")
  local lines = vim.list_extend({ { { head, "Title" } } }, M._in_its_line(frame, canvas))
  table.insert(lines, {})
  vim.list_extend(lines, rows)
  M._write(lines)
end

--- The cells as pieces of text with their highlights; noise looks different from step to step. Noise that is left at
--- last lies behind the end of what was filled in.
---@param frame lacuna.Frame
---@return lacuna.Chunk[]
function M._canvas(frame)
  local chunks = {} ---@type lacuna.Chunk[]
  for at, cell in ipairs(frame.cells) do
    if type(cell.text) == "string" then -- else it is vim.NIL
      table.insert(chunks, { cell.text, cell.accepted and "LacunaAccepted" or "LacunaDecided" })
    elseif not frame.done then
      table.insert(chunks, { NOISE[(at * at + frame.step * (at + 1)) % #NOISE + 1], "LacunaNoise" })
    end
  end
  return chunks
end

---@param canvas lacuna.Chunk[]
---@return lacuna.Chunk[]
function M._on_one_line(canvas)
  return vim.tbl_map(function(chunk)
    return { (chunk[1]:gsub("\n", "⏎"):gsub("\t", "→")), chunk[2] }
  end, canvas)
end

---@param frame lacuna.Frame
---@param canvas lacuna.Chunk[]
---@return lacuna.Chunk[][]
function M._in_its_line(frame, canvas)
  local lines = { { { frame.before } } } ---@type lacuna.Chunk[][]
  for _, chunk in ipairs(canvas) do
    for at, part in ipairs(vim.split(chunk[1], "\n", { plain = true })) do
      if at > 1 then
        table.insert(lines, {})
      end
      table.insert(lines[#lines], { part, chunk[2] })
    end
  end
  table.insert(lines[#lines], { frame.after })
  return lines
end

---@param lines lacuna.Chunk[][]
function M._write(lines)
  local texts = vim.tbl_map(function(line)
    return table.concat(vim.tbl_map(function(chunk)
      return chunk[1]
    end, line))
  end, lines)
  window.write(buf, texts)
  vim.api.nvim_buf_clear_namespace(buf, NAMESPACE, 0, -1)
  for row, line in ipairs(lines) do
    local col = 0
    for _, chunk in ipairs(line) do
      local last = col + #chunk[1]
      if chunk[2] then
        vim.api.nvim_buf_set_extmark(buf, NAMESPACE, row - 1, col, { end_col = last, hl_group = chunk[2] })
      end
      col = last
    end
  end
  local win = vim.fn.bufwinid(buf)
  if win ~= -1 then
    window.fit(win, #lines)
    vim.api.nvim_win_set_cursor(win, { #lines, 0 })
    vim.fn.win_execute(win, "normal! zb")
  end
end

return M
