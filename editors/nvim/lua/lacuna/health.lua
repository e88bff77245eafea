--- `:checkhealth lacuna`: what is there, what is missing, and what to do about it.

local client = require("lacuna.client")
local config = require("lacuna.config")
local keymap = require("lacuna.keymap")
local program = require("lacuna.program")
local server = require("lacuna.server")
local status = require("lacuna.status")

local M = {}

local VERSION_MS = 20000 -- for `lacuna --version`, which may be the first Python of the day

function M.check()
  vim.health.start("Neovim")
  M._check_neovim()
  vim.health.start("Server")
  M._check_program()
  M._check_client()
  vim.health.start("Keys")
  M._check_keys()
end

function M._check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has("nvim-0.10") == 1 then
    vim.health.ok("Neovim " .. version)
  else
    vim.health.error("Neovim " .. version .. " is too old", "Lacuna needs 0.10 or newer")
  end
  if config.options.native and not vim.lsp.inline_completion then
    vim.health.warn("the option `native` needs Neovim 0.12", "the plugin shows the suggestions itself")
  end
  if not config.is_set_up then
    vim.health.warn("setup() was not called", 'put require("lacuna").setup() into your init.lua')
  end
end

function M._check_program()
  local cmd, where = server.find(client.root(vim.fn.bufnr("#") ~= -1 and vim.fn.bufnr("#") or 0))
  if not cmd then
    vim.health.error(where, "see :help lacuna-server")
    return
  end
  vim.health.ok(("found by %s: %s"):format(where, table.concat(cmd, " ")))
  local version = vim.system(program.command("--version") or {}, program.options()):wait(VERSION_MS)
  if version.code == 0 then
    vim.health.ok(vim.trim(version.stdout))
  else
    vim.health.error("it does not run: " .. vim.trim(version.stderr or ""), "run `make setup` in Lacuna's checkout")
  end
end

function M._check_client()
  local running = client.any()
  local state = status.get()
  local said = state.state .. (state.message ~= "" and ": " .. state.message or "")
  if not config.options.settings.enabled then
    vim.health.warn("Lacuna is switched off", ":Lacuna enable")
  elseif state.state == "error" then
    vim.health.error(said, { ":Lacuna doctor says more", ":Lacuna log shows what the server logged" })
  elseif running then
    vim.health.ok(("running, %s, attached to %d buffers"):format(said, vim.tbl_count(running.attached_buffers)))
  else
    vim.health.warn("no server runs", "one is started for the first buffer with a file type")
  end
end

function M._check_keys()
  for name, key in vim.spairs(config.options.keys) do
    if key and name ~= "toggle" then
      if keymap.owns(name) then
        vim.health.ok(("%s: %s"):format(key, name:gsub("_", " ")))
      elseif config.is_set_up then
        vim.health.warn(
          ("%s is mapped by something else since: %s has no key"):format(key, name:gsub("_", " ")),
          ("map it before setup(), or set keys.%s to another key"):format(name)
        )
      end
    end
  end
end

return M
