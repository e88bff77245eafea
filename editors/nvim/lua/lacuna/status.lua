--- What the server is doing, as it says itself, for statuslines.

local M = {}

---@class lacuna.Status
---@field state "loading"|"ready"|"busy"|"error"|"off"
---@field message string

local current = { state = "off", message = "not started" } ---@type lacuna.Status
local SIGNS = { loading = "…", ready = "", busy = "*", error = "!", off = "off" }

---@param state string
---@param message? string
function M.set(state, message)
  local data = { state = state, message = message or "", before = current.state }
  current = { state = data.state, message = data.message }
  vim.schedule(function()
    vim.api.nvim_exec_autocmds("User", { pattern = "LacunaStatus", modeline = false, data = data })
    vim.cmd.redrawstatus()
  end)
end

---@return lacuna.Status
function M.get()
  return vim.deepcopy(current)
end

--- For 'statusline': "lacuna", with "…" while loading, "*" while working, "!" after an error, or "off".
---@return string
function M.line()
  local is_off = not require("lacuna.config").options.settings.enabled or vim.b.lacuna_enabled == false
  local sign = SIGNS[is_off and "off" or current.state]
  return "lacuna" .. (sign == "" and "" or " " .. sign)
end

return M
