--- Where the server's program is: what the user says, else the first of a few places.

local M = {}

local IS_WINDOWS = vim.fn.has("win32") == 1
local SCRIPT = IS_WINDOWS and "Scripts/lacuna.exe" or "bin/lacuna"

--- The command that starts the server, and where it was found. In this order:
--- 1. the option `cmd`;
--- 2. `.venv` in the project's root or above it, unless `project_venv` is false;
--- 3. PATH, to which an active virtual environment belongs;
--- 4. `.venv` of the checkout of Lacuna that this plugin is a part of.
---@param root? string of the project
---@return string[]? cmd nil if there is none
---@return string where for people; why there is none
function M.find(root)
  local options = require("lacuna.config").options
  if options.cmd then
    local is_there = vim.fn.executable(options.cmd[1]) == 1
    local fault = ("the option `cmd` names %q, which cannot be run"):format(options.cmd[1])
    return is_there and options.cmd or nil, is_there and "the option `cmd`" or fault
  end
  local venv = options.project_venv and root and M._in_venv_above(root)
  if venv then
    return { venv, "serve" }, "the project's .venv"
  end
  local on_path = vim.fn.exepath("lacuna")
  if on_path ~= "" then
    return { on_path, "serve" }, "PATH"
  end
  local own = M._in_venv_above(M._checkout())
  if own then
    return { own, "serve" }, "the checkout of Lacuna that this plugin belongs to"
  end
  return nil, "there is no program `lacuna`: run `make setup` in Lacuna's checkout, or set the option `cmd`"
end

---@param folder string
---@return string? program
function M._in_venv_above(folder)
  local venvs = vim.fs.find(".venv", { upward = true, path = folder, type = "directory", limit = 3 })
  for _, venv in ipairs(venvs) do
    local program = vim.fs.joinpath(venv, SCRIPT)
    if vim.fn.executable(program) == 1 then
      return program
    end
  end
end

--- The folder that holds `editors/nvim/`, if the plugin is where it was checked out.
---@return string
function M._checkout()
  local this = vim.fn.resolve(debug.getinfo(1, "S").source:sub(2)) -- …/editors/nvim/lua/lacuna/server.lua
  return vim.fn.fnamemodify(this, ":h:h:h:h:h")
end

return M
