--- Which document a buffer is to the server, where Neovim says too little: buffers without a name are all `file://` to
--- it, a new name is told when the file is written only, and before 0.12 a new file type never is.

local M = {}

local UNNAMED = "file://"

---@class lacuna.Document as the server was told it
---@field uri string
---@field language string

local told = {} ---@type table<integer, table<integer, lacuna.Document?>> by client's id and buffer
local latest = 0 -- the buffer that a URI was made of last

-- Neovim makes a document's URI and sends it in one go, but does not say of which buffer: this only listens.
local uri_from_bufnr = vim.uri_from_bufnr
vim.uri_from_bufnr = function(buf)
  latest = (buf == nil or buf == 0) and vim.api.nvim_get_current_buf() or buf
  return uri_from_bufnr(buf)
end

--- The document's URI, for the server.
---@param buf integer
---@return string
function M.uri(buf)
  local uri = uri_from_bufnr(buf)
  return uri == UNNAMED and "untitled:lacuna-" .. buf or uri
end

--- See to it that all that a client sends has the right URIs.
---@param client vim.lsp.Client
function M.follow(client)
  local documents = {} ---@type table<integer, lacuna.Document?>
  told[client.id] = documents
  for _, name in ipairs({ "request", "notify" }) do
    local send = client[name]
    -- Not deeper, in `client.rpc`: before a message goes out, changes of other buffers do.
    client[name] = function(...)
      local arguments = vim.F.pack_len(...)
      local at = arguments[1] == client and 2 or 1 -- of the message's method; see HAS_METHODS of lacuna.client
      local params = M._corrected(documents, arguments[at + 1])
      arguments[at + 1] = params
      if not M._is_news(documents, arguments[at], params) then
        return true -- as if it was sent: the server knows
      end
      return send(vim.F.unpack_len(arguments)) -- all that it returns: of a request the id, too
    end
  end
end

--- A client has ended.
---@param id integer
function M.forget(id)
  told[id] = nil
end

--- A buffer may be another document by now, or none: tell the servers.
---@param buf integer
function M.update(buf)
  for id, documents in pairs(told) do
    local document = documents[buf]
    local is_text = vim.bo[buf].buftype == ""
    local is_same = document and document.uri == M.uri(buf) and document.language == vim.bo[buf].filetype
    if document and not (is_text and is_same) and vim.lsp.buf_is_attached(buf, id) then
      vim.lsp.buf_detach_client(buf, id)
      if is_text then
        vim.lsp.buf_attach_client(buf, id)
      end
    end
  end
end

vim.api.nvim_create_autocmd({ "BufFilePost", "BufWritePost", "FileType", "OptionSet", "TermOpen" }, {
  group = vim.api.nvim_create_augroup("lacuna.documents", {}),
  callback = function(event)
    if event.event == "OptionSet" and event.match ~= "buftype" then
      return
    end
    local buf = event.buf == 0 and vim.api.nvim_get_current_buf() or event.buf -- 0 for OptionSet
    vim.schedule(function() -- Neovim has callbacks of its own for some of these
      if vim.api.nvim_buf_is_loaded(buf) then
        M.update(buf)
      end
    end)
  end,
})

--- Parameters as Neovim makes them, with the URI that the server knows the buffer by.
---@param documents table<integer, lacuna.Document?>
---@param params any
---@return any
function M._corrected(documents, params)
  local document = type(params) == "table" and params.textDocument
  local uri = type(document) == "table" and document.uri
  local is_latest = uri == UNNAMED or (documents[latest] and uri == uri_from_bufnr(latest))
  local right = is_latest and (documents[latest] and documents[latest].uri or M.uri(latest)) or uri
  if right == uri then
    return params
  end
  local known = vim.tbl_extend("force", document, { uri = right })
  return vim.tbl_extend("force", params, { textDocument = known }) -- other clients may be sent the same table
end

--- Keep account of open documents. Neovim may tell of a new name once more when the file is written.
---@param documents table<integer, lacuna.Document?> changed in place
---@param method string
---@param params any
---@return boolean
function M._is_news(documents, method, params)
  if method == "textDocument/didOpen" then
    local uri, before = params.textDocument.uri, documents[latest]
    documents[latest] = { uri = uri, language = vim.bo[latest].filetype }
    return not before or before.uri ~= uri
  elseif method == "textDocument/didClose" then
    local buf = M._buffer_of(documents, params.textDocument.uri)
    if buf then
      documents[buf] = nil
    end
    return buf ~= nil
  end
  return true
end

---@param documents table<integer, lacuna.Document?>
---@param uri string
---@return integer?
function M._buffer_of(documents, uri)
  for buf, document in pairs(documents) do
    if document.uri == uri then
      return buf
    end
  end
end

return M
