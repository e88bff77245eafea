--- `:Lacuna rewrite`: has the model rewrite code as an instruction says, and shows the difference before it is made.

local Edit = require("lacuna.edit")
local client = require("lacuna.client")
local documents = require("lacuna.documents")
local text = require("lacuna.text")
local window = require("lacuna.window")

---@class lacuna.Selection rows and columns from 0, columns in bytes
---@field row integer
---@field col integer
---@field end_row integer
---@field end_col integer not included

---@class lacuna.Wish what is to be rewritten
---@field buf integer
---@field version integer? of the text in which it was selected
---@field range lsp.Range
---@field server vim.lsp.Client

local M = {}

local diff = vim.text and vim.text.diff or vim.diff -- its name until 0.11
local MOVED_ON = "the text has changed meanwhile: nothing was edited"

--- What is selected, which ends Visual mode; in other modes the line of the cursor.
---@return lacuna.Selection
function M.selection()
  if vim.api.nvim_get_mode().mode:find("^[vV\22]") then
    vim.cmd("normal! \27")
    return M.lines({ first = vim.fn.line("'<"), last = vim.fn.line("'>") })
  end
  return M.lines()
end

--- Whole lines, but of characters that were selected in these lines only those.
---@param span? lacuna.Span default: the line of the cursor
---@return lacuna.Selection
function M.lines(span)
  local first = span and span.first or vim.fn.line(".")
  local last = span and span.last or first
  local from, to = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  local last_line = vim.fn.getline(last)
  if span and vim.fn.visualmode() == "v" and from[2] == first and to[2] == last then
    local end_col = math.min(to[3] - 1, #last_line)
    if vim.o.selection ~= "exclusive" and end_col < #last_line then
      end_col = end_col + vim.str_utf_end(last_line, end_col + 1) + 1
    end
    return { row = first - 1, col = from[3] - 1, end_row = last - 1, end_col = end_col }
  end
  return { row = first - 1, col = 0, end_row = last - 1, end_col = #last_line }
end

--- Have a selection of the current buffer rewritten.
---@param selection lacuna.Selection
---@param instruction? string asked for if there is none
function M.run(selection, instruction)
  local buf = vim.api.nvim_get_current_buf()
  local server = client.of(buf)
  if not server then
    M._warn("no server is attached to this buffer; see :Lacuna status")
    return
  end
  local wish = {
    buf = buf,
    version = client.version(buf),
    range = M._range(buf, selection, server.offset_encoding),
    server = server,
  }
  if instruction then
    M._send(wish, instruction)
    return
  end
  vim.ui.input({ prompt = "Rewrite: " }, function(said)
    if said and vim.trim(said) ~= "" then
      M._send(wish, said)
    end
  end)
end

---@param wish lacuna.Wish
---@param instruction string
function M._send(wish, instruction)
  if client.version(wish.buf) ~= wish.version then
    M._warn(MOVED_ON)
    return
  end
  local document = { uri = documents.uri(wish.buf) }
  local asked = { textDocument = document, range = wish.range, instruction = instruction }
  local can_rewrite = client.execute(wish.server, "lacuna.rewrite", { asked }, function(err, result)
    M._answered(wish, instruction, err, result)
  end)
  if can_rewrite then
    vim.api.nvim_echo({ { "Lacuna: rewriting …" } }, false, {})
  else
    M._warn("this server cannot rewrite; it is older than the plugin")
  end
end

---@param wish lacuna.Wish
---@param instruction string
---@param err? lsp.ResponseError
---@param result? lsp.WorkspaceEdit
function M._answered(wish, instruction, err, result)
  vim.api.nvim_echo({ { "" } }, false, {})
  if err or not result then
    M._warn(err and err.message or "the server has no answer")
  elseif client.version(wish.buf) ~= wish.version then
    M._warn(MOVED_ON)
  else
    local change = M._text_edit(result, documents.uri(wish.buf))
    local edit = change and Edit.new(wish.buf, change.range, change.newText, wish.server.offset_encoding)
    if edit then
      M._show(edit, instruction)
    else
      M._warn("the model leaves the code as it is")
    end
  end
end

--- Show what an edit would change; a key makes it.
---@param edit lacuna.Edit
---@param instruction string
function M._show(edit, instruction)
  local old = vim.api.nvim_buf_get_lines(edit.buf, 0, -1, false)
  local difference = diff(table.concat(old, "\n") .. "\n", table.concat(edit:result(), "\n") .. "\n", { ctxlen = 3 })
  local lines = vim.split(vim.trim(difference --[[@as string]]), "\n", { plain = true })
  table.insert(lines, 1, ("# %s: <CR> makes these changes, q leaves the text as it is"):format(instruction))
  local buf = window.show("rewrite", lines)
  vim.bo[buf].syntax = "diff"
  vim.keymap.set("n", "<CR>", function()
    vim.cmd.close()
    if edit:is_current() then
      edit:apply()
    else
      M._warn(MOVED_ON)
    end
  end, { buffer = buf, desc = "Lacuna: make these changes" })
end

--- The one text edit of a workspace edit, whose form depends on what this Neovim understands.
---@param result lsp.WorkspaceEdit
---@param uri string
---@return lsp.TextEdit?
function M._text_edit(result, uri)
  local changed = result.documentChanges
  local edits = changed and changed[1] and changed[1].edits or (result.changes or {})[uri] or {}
  assert(#edits <= 1, "a rewrite is one edit")
  return edits[1]
end

---@param buf integer
---@param selection lacuna.Selection
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return lsp.Range
function M._range(buf, selection, encoding)
  local function position(row, col)
    local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1]
    return { line = row, character = text.length(line:sub(1, col), encoding) }
  end
  return {
    start = position(selection.row, selection.col),
    ["end"] = position(selection.end_row, selection.end_col),
  }
end

---@param message string
function M._warn(message)
  vim.notify("Lacuna: " .. message, vim.log.levels.WARN)
end

return M
