--- `:Lacuna`: its subcommands, and what completes them.

local client = require("lacuna.client")
local config = require("lacuna.config")
local program = require("lacuna.program")
local window = require("lacuna.window")

local M = {}

---@class lacuna.Subcommand
---@field run fun(argument?: string, span?: lacuna.Span)
---@field arguments? fun(): string[]
---@field takes_text? boolean whether all words behind it are one argument, and lines may be given

---@class lacuna.Span lines that the user gave, from 1, both included
---@field first integer
---@field last integer

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
  next = {
    run = function()
      M._next()
    end,
  },
  dismiss = {
    run = function()
      require("lacuna.next_edits").dismiss()
    end,
  },
  rewrite = {
    run = function(instruction, span)
      local rewrite = require("lacuna.rewrite")
      rewrite.run(rewrite.lines(span), instruction)
    end,
    takes_text = true,
  },
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
---@param span? lacuna.Span
function M.run(arguments, span)
  local name = arguments[1] or "status"
  local subcommand = M.subcommands[name]
  if not subcommand then
    local known = table.concat(M._names(), ", ")
    vim.notify(("Lacuna: there is no :Lacuna %s, but %s"):format(name, known), vim.log.levels.ERROR)
  elseif subcommand.takes_text then
    subcommand.run(arguments[2] and table.concat(arguments, " ", 2), span)
  elseif span then
    vim.notify(("Lacuna: :Lacuna %s takes no lines"):format(name), vim.log.levels.ERROR)
  else
    subcommand.run(arguments[2])
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
  local adapter = config.options.settings.adapter
  return adapter == "" and arguments or vim.list_extend(arguments, { "--adapter", adapter })
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

--- Take the next edit; where none is shown, look for one.
function M._next()
  local next_edits = require("lacuna.next_edits")
  local function say(what)
    vim.api.nvim_echo({ { "Lacuna: " .. what } }, true, {})
  end
  local function found_nothing()
    say("nothing follows from the last edit")
  end
  if not next_edits.take() and not next_edits.ask(found_nothing) then
    say("no next edits are looked for here; see :Lacuna status and the setting `next_edits`")
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
