--- Lacuna: fills the gap at the cursor, from a diffusion language model on this machine.
--- The functions here are the plugin's interface; `:help lacuna` describes them.

local M = {}

--- Set Lacuna up, or change its options.
---@param options? lacuna.Options|table
function M.setup(options)
  local config = require("lacuna.config")
  local was_set_up = config.is_set_up
  for _, problem in ipairs(config.set(options)) do
    vim.notify("Lacuna: " .. problem, vim.log.levels.WARN)
  end
  M._highlights()
  require("lacuna.keymap").install(config.options.keys)
  if was_set_up then
    require("lacuna.client").configure()
    require("lacuna.client").ensure()
    M._shown_anew()
    return
  end
  require("lacuna.show").start()
  require("lacuna.next_edits").start()
  require("lacuna.resting").start()
  require("lacuna.client").enable()
end

--- Take the suggestion. Returns false where there is none, so that a mapping can do something else.
---@return boolean
function M.accept()
  return require("lacuna.show").take_soon("all")
end

--- Take its next word.
---@return boolean
function M.accept_word()
  return require("lacuna.show").take_soon("word")
end

--- Take it up to the end of its line.
---@return boolean
function M.accept_line()
  return require("lacuna.show").take_soon("line")
end

--- Show the next of several suggestions; asks for more where there is but one.
---@return boolean
function M.next()
  return require("lacuna.show").go_on(vim.v.count1)
end

--- Show the previous one.
---@return boolean
function M.previous()
  return require("lacuna.show").go_on(-vim.v.count1)
end

--- Hide the suggestion until the text changes.
---@return boolean
function M.dismiss()
  return require("lacuna.show").dismiss()
end

--- Ask for suggestions now, also for those that the server is less sure of.
---@return boolean
function M.suggest()
  return require("lacuna.show").suggest()
end

--- Whether there is a suggestion to take.
---@return boolean
function M.is_visible()
  return require("lacuna.show").is_visible()
end

--- Make the edit that follows from the last one, or go there if it is not close by.
---@return boolean
function M.next_edit()
  return require("lacuna.next_edits").take_soon()
end

--- Hide that edit for good.
---@return boolean
function M.dismiss_edit()
  return require("lacuna.next_edits").dismiss()
end

--- Have the selection rewritten, in Normal mode the line of the cursor; what comes is shown before anything is edited.
---@param instruction? string asked for if there is none
function M.rewrite(instruction)
  local rewrite = require("lacuna.rewrite")
  rewrite.run(rewrite.selection(), instruction)
end

--- Switch Lacuna on, in all buffers or in one.
---@param buf? integer 0 for the current one
function M.enable(buf)
  M._switch(true, buf)
end

--- Switch Lacuna off, in all buffers or in one. Off in all, the model gives its memory back.
---@param buf? integer 0 for the current one
function M.disable(buf)
  M._switch(false, buf)
end

--- Switch it off if it is on, else on.
---@param buf? integer 0 for the current one
function M.toggle(buf)
  M._switch(not M.is_enabled(buf), buf)
end

---@param buf? integer 0 for the current one
---@return boolean
function M.is_enabled(buf)
  if buf then
    return vim.b[buf].lacuna_enabled ~= false
  end
  return require("lacuna.config").options.settings.enabled
end

--- Restart the server.
function M.restart()
  require("lacuna.client").restart()
end

--- For 'statusline', as in `%{v:lua.require'lacuna'.statusline()}`.
---@return string
function M.statusline()
  return require("lacuna.status").line()
end

--- What the server is doing.
---@return lacuna.Status
function M.status()
  return require("lacuna.status").get()
end

---@param is_on boolean
---@param buf? integer
function M._switch(is_on, buf)
  if buf then
    vim.b[buf].lacuna_enabled = is_on
  else
    require("lacuna.config").options.settings.enabled = is_on
    require("lacuna.client").configure()
  end
  M._shown_anew()
  vim.cmd.redrawstatus()
end

--- After a change of what is to be suggested.
function M._shown_anew()
  require("lacuna.show").switch()
  require("lacuna.next_edits").show()
end

function M._highlights()
  local links = {
    LacunaGhost = "Comment",
    LacunaNote = "NonText",
    LacunaMoved = "Normal",
    LacunaEditDelete = "DiffDelete",
    LacunaEditAdd = "DiffAdd",
    LacunaNoise = "NonText",
    LacunaAccepted = "DiffAdd",
    LacunaDecided = "String",
  }
  for name, link in pairs(links) do
    vim.api.nvim_set_hl(0, name, { link = link, default = true })
  end
end

return M
