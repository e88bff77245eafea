--- Where the server's program is, and what it is started with: nothing that a project could put in its way.

local config = require("lacuna.config")
local venv = require("lacuna.venv")

local M = {}

local IS_WINDOWS = vim.fn.has("win32") == 1
local NAME, LIST_SEPARATOR = IS_WINDOWS and "lacuna.exe" or "lacuna", IS_WINDOWS and ";" or ":"

--- The command that starts the server, and where it was found. In this order:
--- 1. the option `cmd`;
--- 2. `.venv` in the project's root, if `project_venv` is true and the user has said yes to this program;
--- 3. PATH, to which an active virtual environment belongs;
--- 4. `.venv` of the checkout of Lacuna that this plugin is a part of.
---@param root? string of the project
---@return string[]? cmd nil if there is none
---@return string where for people; why there is none
function M.find(root)
  local options = config.options
  if options.cmd then
    return M._of_user(options.cmd)
  end
  local of_project = options.project_venv and root and venv.allowed(root)
  if of_project then
    return { of_project, "serve" }, "the project's .venv"
  end
  local on_path = M._on_path(NAME)
  if on_path then
    return { on_path, "serve" }, "PATH"
  end
  local checkout = M._checkout()
  local own = checkout and venv.program(checkout)
  if own then
    return { own, "serve" }, "the checkout of Lacuna that this plugin belongs to"
  end
  return nil, "there is no program `lacuna`: run `make setup` in Lacuna's checkout, or set the option `cmd`"
end

--- The folder that the program is started in. In the project's, names would mean files of the project.
---@return string
function M.folder()
  local folder = vim.fn.stdpath("cache") --[[@as string]]
  vim.fn.mkdir(folder, "p")
  return folder
end

--- Changes of the environment: Python would look for modules in the entries of PYTHONPATH that are relative or empty
--- before its own.
---@return table<string, string>
function M.environment()
  return { PYTHONPATH = table.concat(M._absolute(vim.env.PYTHONPATH or ""), LIST_SEPARATOR) }
end

---@param cmd string[]
---@return string[]? cmd
---@return string where
function M._of_user(cmd)
  local program = cmd[1]
  if not program:find(IS_WINDOWS and "[/\\]" or "/") then
    program = M._on_path(program) or program
  elseif vim.startswith(program, "~") then
    program = vim.fs.normalize(program)
  end
  local is_absolute = M._is_absolute(program)
  if not is_absolute or vim.fn.executable(program) == 0 then
    local advice = is_absolute and "" or ": say its full path"
    return nil, ("the option `cmd` names %q, which cannot be run%s"):format(cmd[1], advice)
  end
  return vim.list_extend({ program }, cmd, 2), "the option `cmd`"
end

--- A program by its name, never from the folder that Neovim happens to be in.
---@param name string
---@return string?
function M._on_path(name)
  return vim
    .iter(M._absolute(vim.env.PATH or ""))
    :map(function(folder)
      return vim.fs.joinpath(folder, name)
    end)
    :find(function(program)
      return vim.fn.executable(program) == 1
    end)
end

---@param list string of folders, as in PATH
---@return string[]
function M._absolute(list)
  return vim.tbl_filter(M._is_absolute, vim.split(list, LIST_SEPARATOR, { plain = true }))
end

---@param path string
---@return boolean
function M._is_absolute(path)
  return path:find(IS_WINDOWS and "^%a:[/\\]" or "^/") ~= nil
end

--- The folder that holds `editors/nvim/`, if the plugin is where it was checked out.
---@return string?
function M._checkout()
  local this = vim.fn.resolve(debug.getinfo(1, "S").source:sub(2))
  return (this:match("^(.+)[/\\]editors[/\\]nvim[/\\]lua[/\\]lacuna[/\\]server%.lua$"))
end

return M
