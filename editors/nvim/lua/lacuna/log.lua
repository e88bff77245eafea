--- The last lines that the server logged. It never logs code.

local M = {}

M.MAX_LINES = 1000

local lines = {} ---@type string[]

---@param message string
function M.add(message)
  for line in vim.gsplit(message, "\n", { plain = true }) do
    table.insert(lines, os.date("%H:%M:%S ") .. line)
  end
  while #lines > M.MAX_LINES do
    table.remove(lines, 1)
  end
end

---@return string[]
function M.lines()
  return vim.deepcopy(lines)
end

return M
