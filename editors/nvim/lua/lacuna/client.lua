--- The server as an LSP client of Neovim: started, asked, restarted. Differences between versions of Neovim are here.

local config = require("lacuna.config")
local documents = require("lacuna.documents")
local log = require("lacuna.log")
local server = require("lacuna.server")
local status = require("lacuna.status")
local venv = require("lacuna.venv")

local M = {}

M.NAME = "lacuna"

local HAS_METHODS = vim.fn.has("nvim-0.11") == 1 -- before, a client's functions know their client already
local HAS_CONFIGS = vim.lsp.config ~= nil -- since 0.11
local STOP_MS = 3000 -- after which a server that was told to end is killed
-- A large model takes minutes to load: one that crashes at the end of its load must not be started again for ever.
local MAX_CRASHES, WITHIN_MS = 3, 30 * 60000

local stopping = {} ---@type table<integer, fun()> what to do once a client has ended, by its id
local crashes = {} ---@type integer[] when, in milliseconds
local notified = {} ---@type table<string, true>

--- What `vim.lsp.config("lacuna")` is, and `lsp/lacuna.lua` returns.
---@return vim.lsp.Config
function M.config()
  return {
    name = M.NAME,
    cmd = M._spawn,
    cmd_cwd = server.folder(), -- these two are for a `cmd` of the user's
    cmd_env = server.environment(),
    root_dir = M._root_dir,
    -- One server for all projects: each would take the memory of a model.
    reuse_client = function(client, _)
      return client.name == M.NAME and not M._call(client, "is_stopped") and not stopping[client.id]
    end,
    before_init = function(params)
      if config.is_set_up then
        params.initializationOptions = config.server_settings()
      end
    end,
    on_init = documents.follow,
    on_exit = M._on_exit,
    handlers = {
      ["lacuna/status"] = function(_, result)
        status.set(result.state, result.message)
      end,
      ["lacuna/frames"] = function(_, result)
        require("lacuna.watch").add(result)
      end,
      -- A list to choose from would swallow what is being typed; `:Lacuna pull` is there whenever the user wants it.
      ["window/showMessageRequest"] = function(_, result)
        vim.notify(result.message .. " `:Lacuna pull` does.", vim.log.levels.INFO)
        return vim.NIL
      end,
      ["window/logMessage"] = function(err, result, context, ...)
        log.add(result.message)
        return vim.lsp.handlers["window/logMessage"](err, result, context, ...)
      end,
    },
  }
end

--- Start a server for every buffer that has a file type from now on.
function M.enable()
  if HAS_CONFIGS then
    vim.lsp.enable(M.NAME) -- its configuration is lsp/lacuna.lua
    return
  end
  vim.api.nvim_create_autocmd("FileType", {
    group = vim.api.nvim_create_augroup("lacuna.start", {}),
    callback = function(event)
      M.start(event.buf)
    end,
  })
  M._start_all()
end

--- Attach a buffer, to a server that is started if none runs.
---@param buf integer
function M.start(buf)
  if not vim.api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= "" then
    return
  end
  local resolved = HAS_CONFIGS and vim.deepcopy(vim.lsp.config[M.NAME]) or M.config()
  local function with_root(root)
    resolved.root_dir = root
    vim.lsp.start(resolved, { bufnr = buf, reuse_client = resolved.reuse_client })
  end
  if type(resolved.root_dir) == "function" then
    resolved.root_dir(buf, with_root)
  else
    with_root(resolved.root_dir)
  end
end

--- Restart the server, or start it. While that is under way nothing more is done.
function M.restart()
  crashes, notified = {}, {} -- who asks wants to be told again of what is still wrong
  if M.any() then
    M.stop(M._start_all)
  else
    M.ensure()
  end
end

--- Start a server unless one runs, or is about to end: its program may not have been there before.
function M.ensure()
  if not M.any() and next(stopping) == nil then
    M._start_all()
  end
end

--- End the server.
---@param ended? fun() called when it has
function M.stop(ended)
  for _, client in ipairs(vim.lsp.get_clients({ name = M.NAME })) do
    if not stopping[client.id] then
      stopping[client.id] = ended or function() end
      M._call(client, "stop")
      vim.defer_fn(function()
        if stopping[client.id] then
          M._call(client, "stop", true)
        end
      end, STOP_MS)
    end
  end
end

--- Tell the server of changed settings.
function M.configure()
  for _, client in ipairs(vim.lsp.get_clients({ name = M.NAME })) do
    client.settings = { lacuna = config.server_settings() }
    M.notify(client, "workspace/didChangeConfiguration", { settings = client.settings })
  end
end

--- The root of the project that a buffer belongs to.
---@param buf? integer default: the current one
---@return string?
function M.root(buf)
  return vim.fs.root(buf or 0, config.options.root_markers)
end

--- The client that serves a buffer; nil while there is none.
---@param buf integer
---@return vim.lsp.Client?
function M.of(buf)
  return vim.iter(vim.lsp.get_clients({ name = M.NAME, bufnr = buf })):find(function(client)
    return not stopping[client.id]
  end)
end

--- The running client, whatever it serves; nil if none runs.
---@return vim.lsp.Client?
function M.any()
  return vim.iter(vim.lsp.get_clients({ name = M.NAME })):find(function(client)
    return not stopping[client.id]
  end)
end

---@param client vim.lsp.Client
---@param method string
---@param params table
---@param handler fun(err: lsp.ResponseError?, result: any)
---@param buf? integer
---@return integer? id nil if it could not be sent
function M.request(client, method, params, handler, buf)
  local is_sent, id = M._call(client, "request", method, params, handler, buf)
  return is_sent and id or nil
end

---@param client vim.lsp.Client
---@param id integer
function M.cancel(client, id)
  M._call(client, "cancel_request", id)
end

---@param client vim.lsp.Client
---@param method string
---@param params table
function M.notify(client, method, params)
  M._call(client, "notify", method, params)
end

--- The version of a buffer's text as the server was told it: unlike the changedtick, writing a file leaves it as it is.
---@param buf integer
---@return integer? nil before the server was told of the buffer
function M.version(buf)
  return vim.lsp.util.buf_versions[buf]
end

--- Run a command of the server, if it has it.
---@param client vim.lsp.Client
---@param command string
---@param arguments? any[]
---@param done? fun(err: lsp.ResponseError?, result: any)
---@return boolean has_it
function M.execute(client, command, arguments, done)
  local provider = client.server_capabilities.executeCommandProvider
  if not provider or not vim.tbl_contains(provider.commands or {}, command) then
    return false
  end
  local params = { command = command, arguments = arguments }
  M.request(client, "workspace/executeCommand", params, done or function() end)
  return true
end

---@param client vim.lsp.Client
---@param method string
function M._call(client, method, ...)
  if HAS_METHODS then
    return client[method](client, ...)
  end
  return client[method](...)
end

---@param dispatchers vim.lsp.rpc.Dispatchers
---@param resolved? vim.lsp.ClientConfig
---@return vim.lsp.rpc.PublicClient
function M._spawn(dispatchers, resolved)
  local cmd, where = server.find(resolved and resolved.root_dir or M.root())
  assert(cmd, where)
  log.add(("starting %s, found by %s"):format(table.concat(cmd, " "), where))
  status.set("loading", "starting the server")
  return vim.lsp.rpc.start(cmd, dispatchers, { cwd = server.folder(), env = server.environment() })
end

--- Tells the root to start a server in; does not where there is no server.
---@param buf integer
---@param on_root fun(root: string?)
function M._root_dir(buf, on_root)
  local root = M.root(buf)
  local is_asked = not config.options.cmd and config.options.project_venv and root and not M.any()
  if is_asked and venv.ask(root, M._start_all) then
    return
  end
  local cmd, why = server.find(root)
  if cmd then
    on_root(root)
  else
    status.set("error", why)
    M._notify_once(why)
  end
end

---@param message string
function M._notify_once(message)
  if not notified[message] then
    notified[message] = true
    vim.schedule(function()
      vim.notify("Lacuna: " .. message, vim.log.levels.WARN)
    end)
  end
end

--- Attach all buffers that are to have a server, whether they ever had one or not.
function M._start_all()
  local filetypes = HAS_CONFIGS and vim.lsp.config[M.NAME].filetypes or nil -- the user may have set some
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    local filetype = vim.bo[buf].filetype
    if filetype ~= "" and (not filetypes or vim.list_contains(filetypes, filetype)) then
      M.start(buf)
    end
  end
end

--- After an end that nobody asked for the server is started again, but not for ever.
---@param code integer
---@param signal integer
---@param id integer
function M._on_exit(code, signal, id)
  vim.schedule(function()
    local continue = stopping[id]
    stopping[id] = nil
    documents.forget(id)
    status.set("off", "the server has ended")
    if vim.v.exiting ~= vim.NIL then
      return
    elseif continue then
      continue()
    elseif code ~= 0 or (signal ~= 0 and signal ~= 15) then
      M._recover()
    end
  end)
end

function M._recover()
  local now = vim.uv.now()
  crashes = vim.tbl_filter(function(time)
    return now - time < WITHIN_MS
  end, crashes)
  if #crashes >= MAX_CRASHES then
    status.set("error", "the server keeps ending; see :Lacuna log, then :Lacuna restart")
    M._notify_once(status.get().message)
    return
  end
  table.insert(crashes, now)
  vim.defer_fn(M._start_all, 200 * #crashes)
end

return M
