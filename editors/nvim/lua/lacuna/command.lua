--- `:Lacuna`: its subcommands, and what completes them.

local client = require("lacuna.client")
local config = require("lacuna.config")
local program = require("lacuna.program")
local window = require("lacuna.window")

local M = {}

---@class lacuna.Subcommand
---@field run fun(argument?: string)
---@field arguments? fun(): string[]

local BUFFER = function()
  return { "buffer" }
end

---@param name "enable"|"disable"|"toggle"
---@return lacuna.Subcommand
local function switch(name)
  local function run(argument)
    require("lacuna")[name](argument == "buffer" and 0 or nil)
  end
  return { run = run, arguments = BUFFER }
end

---@type table<string, lacuna.Subcommand>
M.subcommands = {
  enable = switch("enable"),
  disable = switch("disable"),
  toggle = switch("toggle"),
  restart = { run = client.restart },
  doctor = {
    run = function()
      program.show("doctor", M._model_arguments())
    end,
  },
  stats = {
    run = function()
      program.show("stats", {}, M._session)
    end,
  },
  pull = {
    run = function(model)
      require("lacuna.pull").run(model)
    end,
    arguments = function()
      return require("lacuna.pull").models()
    end,
  },
  watch = {
    run = function(kind)
      require("lacuna.watch").toggle(kind)
    end,
    arguments = function()
      return { "float", "split" }
    end,
  },
  log = {
    run = function()
      window.show("log", require("lacuna.log").lines(), { at_end = true })
    end,
  },
  status = {
    run = function()
      M._echo_status()
    end,
  },
}

---@param arguments string[]
function M.run(arguments)
  local name = arguments[1] or "status"
  local subcommand = M.subcommands[name]
  if subcommand then
    subcommand.run(arguments[2])
  else
    local known = table.concat(M._names(), ", ")
    vim.notify(("Lacuna: there is no :Lacuna %s, but %s"):format(name, known), vim.log.levels.ERROR)
  end
end

---@param lead string
---@param line string up to the cursor or beyond
---@return string[]
function M.complete(lead, line)
  local words = vim.split(vim.trim(line:sub(1, #line - #lead)), "%s+")
  local candidates = {} ---@type string[]
  if #words == 1 then
    candidates = M._names()
  elseif #words == 2 then
    local subcommand = M.subcommands[words[2]]
    candidates = subcommand and subcommand.arguments and subcommand.arguments() or {}
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates)
end

---@return string[]
function M._names()
  local names = vim.tbl_keys(M.subcommands)
  table.sort(names)
  return names
end

--- What the settings say of the model, for the command line.
---@return string[]
function M._model_arguments()
  local arguments = {} ---@type string[]
  for _, name in ipairs({ "model", "device", "dtype", "threads" }) do
    vim.list_extend(arguments, { "--" .. name, tostring(config.options.settings[name]) })
  end
  return arguments
end

--- The counts of the server that runs, for `:Lacuna stats`.
---@param done fun(lines: string[])
function M._session(done)
  local server = client.any()
  local is_asked = server
    and client.execute(server, "lacuna.statistics", nil, function(err, result)
      local shown = err and err.message or vim.inspect(result)
      done(vim.list_extend({ "This session" }, vim.split(shown, "\n")))
    end)
  if not is_asked then
    done({ "This session: no server runs" })
  end
end

function M._echo_status()
  local lacuna, status = require("lacuna"), require("lacuna.status").get()
  local state = status.state .. (status.message ~= "" and ": " .. status.message or "")
  if not lacuna.is_enabled() then
    state = "switched off; :Lacuna enable switches it on"
  elseif not lacuna.is_enabled(0) then
    state = state .. " (switched off in this buffer)"
  elseif not client.of(0) then
    state = state .. " (not attached to this buffer)"
  end
  vim.api.nvim_echo({ { "Lacuna: " .. state } }, false, {})
end

return M
