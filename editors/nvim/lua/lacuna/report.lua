--- What the server is told of its suggestions: shown, taken, taken in part. It counts them on this machine only.

local client = require("lacuna.client")

local M = {}

--- A suggestion is on the screen.
---@param server vim.lsp.Client
---@param suggestion lacuna.Suggestion
function M.shown(server, suggestion)
  client.notify(server, "textDocument/didShowCompletion", { item = suggestion.item })
end

--- A suggestion was taken, but for `missing`.
---@param server vim.lsp.Client
---@param suggestion lacuna.Suggestion
---@param missing string empty if all of it was taken
function M.taken(server, suggestion, missing)
  local command = suggestion.item.command
  if not command then
    return
  elseif missing == "" then
    client.execute(server, command.command, command.arguments)
  else
    local length = suggestion:accepted_length(missing)
    client.execute(server, "lacuna.partiallyAccepted", { command.arguments[1], length })
  end
end

return M
