--- The program in a project's `.venv`: whether the user lets Lacuna start it. Asked once for each, and remembered until
--- the program is another one.

local M = {}

local IS_WINDOWS = vim.fn.has("win32") == 1
local SCRIPT = IS_WINDOWS and "Scripts/lacuna.exe" or "bin/lacuna"
local GROUP_WRITES, OTHERS_WRITE, STICKY = 0x10, 0x2, 0x200 -- of a file's mode
local YES, NO = "Yes, and remember it", "No, and remember it"

---@class lacuna.Program
---@field root string
---@field path string
---@field hash string of its content

local asked = {} ---@type table<string, true> by root; one that was not answered is not asked again in this session

--- The program in a folder's own `.venv`, links followed; nil if there is none that can be run.
---@param folder string
---@return string?
function M.program(folder)
  local path = vim.uv.fs_realpath(vim.fs.joinpath(folder, ".venv", SCRIPT))
  return path and vim.fn.executable(path) == 1 and path or nil
end

--- The program of a project that the user has allowed.
---@param root string
---@return string? path
function M.allowed(root)
  local program = M._look(root)
  return program and M._decided(program) == true and program.path or nil
end

--- Ask whether a project's program may be started, unless that is decided.
---@param root string
---@param answered fun() called once the user has answered
---@return boolean is_asked
function M.ask(root, answered)
  local program, fault = M._look(root)
  if fault and not asked[root] then
    vim.notify("Lacuna: " .. fault, vim.log.levels.WARN)
  end
  if not program or asked[root] or M._decided(program) ~= nil then
    asked[root] = asked[root] or fault and true
    return false
  end
  asked[root] = true
  local question = ("Lacuna: may %s, which came with this project, be started?"):format(program.path)
  vim.schedule(function()
    vim.ui.select({ NO, YES }, { prompt = question }, function(choice)
      if choice then
        M._remember(program, choice == YES)
      end
      answered()
    end)
  end)
  return true
end

--- What is in a project to be started; nil where nothing is, and why it is not to be.
---@param root string
---@return lacuna.Program?
---@return string? fault
function M._look(root)
  local real = vim.uv.fs_realpath(root)
  local path = real and M.program(real)
  if not real or not path then
    return nil
  end
  local foreign = not IS_WINDOWS and M._foreign(path)
  if foreign then
    return nil, ("%s is not started: others than you can change %s"):format(path, foreign)
  end
  local file = io.open(path, "rb")
  local content = file and file:read("*a")
  if file then
    file:close()
  end
  return content and { root = real, path = path, hash = vim.fn.sha256(content) } or nil
end

--- The part of a path that somebody else could change, the path itself or a folder that it is in; nil if none is.
---@param path string
---@return string?
function M._foreign(path)
  local part, below = path, nil
  while part ~= below do
    local stat = vim.uv.fs_stat(part)
    if not stat or not M._is_own(stat) then
      return part
    end
    part, below = vim.fs.dirname(part), part
  end
end

--- In a sticky folder everybody can change what is theirs alone.
---@param stat uv.fs_stat.result
---@return boolean
function M._is_own(stat)
  local by_group = bit.band(stat.mode, GROUP_WRITES) ~= 0 and stat.gid ~= vim.uv.getgid() and stat.gid ~= 0
  local is_writable = by_group or bit.band(stat.mode, OTHERS_WRITE) ~= 0
  local is_sticky = stat.type == "directory" and bit.band(stat.mode, STICKY) ~= 0
  return (stat.uid == vim.uv.getuid() or stat.uid == 0) and (is_sticky or not is_writable)
end

---@param program lacuna.Program
---@return boolean? is_allowed nil if the user has not said yet
function M._decided(program)
  local decision = M._decisions()[program.root]
  if decision and decision.path == program.path and decision.hash == program.hash then
    return decision.is_allowed
  end
end

---@return string
function M._store()
  return vim.fs.joinpath(vim.fn.stdpath("state") --[[@as string]], "lacuna", "programs.json")
end

--- By root. What cannot be read was not decided: the user is asked again.
---@return table<string, {path: string, hash: string, is_allowed: boolean}>
function M._decisions()
  local file = io.open(M._store(), "r")
  if not file then
    return {}
  end
  local is_json, decisions = pcall(vim.json.decode, file:read("*a"))
  file:close()
  return is_json and type(decisions) == "table" and decisions or {}
end

---@param program lacuna.Program
---@param is_allowed boolean
function M._remember(program, is_allowed)
  local decisions = M._decisions()
  decisions[program.root] = { path = program.path, hash = program.hash, is_allowed = is_allowed }
  vim.fn.mkdir(vim.fs.dirname(M._store()), "p", tonumber("700", 8))
  vim.fn.writefile({ vim.json.encode(decisions) }, M._store())
end

return M
