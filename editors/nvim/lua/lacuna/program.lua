--- The command line program beside the server: `lacuna doctor`, `lacuna stats`.

local client = require("lacuna.client")
local server = require("lacuna.server")
local window = require("lacuna.window")

local M = {}

--- The command line of a subcommand; nil and why where the program is not found.
---@param subcommand string
---@return string[]?
---@return string where
function M.command(subcommand)
  local found, where = server.find(client.root())
  if not found then
    return nil, where
  end
  local command = vim.deepcopy(found)
  if command[#command] == "serve" then
    table.remove(command)
  end
  return vim.list_extend(command, { subcommand }), where
end

--- Run a subcommand and show what it prints, and below it what else there is to show.
---@param subcommand string
---@param arguments string[]
---@param more? fun(done: fun(lines: string[]))
function M.show(subcommand, arguments, more)
  local command, why = M.command(subcommand)
  if not command then
    vim.notify("Lacuna: " .. why, vim.log.levels.WARN)
    return
  end
  vim.list_extend(command, arguments)
  local buf = window.show(subcommand, { "Running " .. table.concat(command, " ") .. " …" })
  local function finish(lines, below)
    if vim.api.nvim_buf_is_loaded(buf) then -- else the user has closed it
      window.write(buf, below and vim.list_extend(vim.list_extend(lines, { "" }), below) or lines)
    end
  end
  vim.system(command, M.options({ NO_COLOR = "1", COLUMNS = "100" }), function(result)
    vim.schedule(function()
      local lines = M._lines(result)
      if more then
        more(function(below)
          finish(lines, below)
        end)
      else
        finish(lines)
      end
    end)
  end)
end

--- How a command is run: where the server is, too.
---@param environment? table<string, string> additions
---@return vim.SystemOpts
function M.options(environment)
  local env = vim.tbl_extend("force", server.environment(), environment or {})
  return { text = true, cwd = server.folder(), env = env }
end

---@param result vim.SystemCompleted
---@return string[]
function M._lines(result)
  local output = vim.trim((result.stdout or "") .. (result.code ~= 0 and result.stderr or ""))
  return vim.split(output, "\n", { plain = true })
end

return M
