--- `:Lacuna pull`: has the server fetch a model, and shows how far it is.

local client = require("lacuna.client")

local M = {}

local WAIT_MS = 300 -- for the server's list of models, while the user waits for a completion

vim.api.nvim_create_autocmd("LspProgress", {
  group = vim.api.nvim_create_augroup("lacuna.pull", {}),
  callback = function(event)
    local sender = vim.lsp.get_client_by_id(event.data.client_id)
    local params = event.data.params
    if sender and sender.name == client.NAME and params then
      M._show_progress(params.value)
    end
  end,
})

--- Fetch a model.
---@param model? string default: the one that is set
function M.run(model)
  local server = client.any()
  if not server then
    M._say("no server runs in this Neovim; open a file of code first", "WarningMsg")
    return
  end
  M._say(("fetching %s …"):format(model or "the model"))
  local can_pull = client.execute(server, "lacuna.pull", { model }, function(err, result)
    if err then
      vim.notify("Lacuna: " .. err.message, vim.log.levels.ERROR)
    else
      M._say(("%s is in %s"):format(result.model, result.directory))
    end
  end)
  if not can_pull then
    M._say("this server cannot fetch models; run `lacuna pull` in a terminal", "WarningMsg")
  end
end

--- The names of the models that can be fetched.
---@return string[]
function M.models()
  local server, names = client.any(), nil
  local is_asked = server
    and client.execute(server, "lacuna.models", nil, function(err, result)
      names = err and {} or vim.tbl_map(function(model)
        return model.name
      end, result)
    end)
  if is_asked then
    vim.wait(WAIT_MS, function()
      return names ~= nil
    end, 10)
  end
  return names or {}
end

---@param value {kind: "begin"|"report"|"end", message?: string, percentage?: integer}
function M._show_progress(value)
  if value.kind == "report" then
    M._echo({ ("Lacuna: %s, %d %%"):format(value.message or "fetching", value.percentage or 0) }, false)
  end
end

---@param message string
---@param highlight? string
function M._say(message, highlight)
  M._echo({ "Lacuna: " .. message, highlight }, true)
end

---@param chunk [string, string?]
---@param is_kept boolean whether `:messages` shows it later, which each percent of a download is not worth
function M._echo(chunk, is_kept)
  vim.api.nvim_echo({ chunk }, is_kept, {})
  vim.cmd.redraw()
end

return M
