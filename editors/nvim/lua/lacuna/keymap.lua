--- Keys that act on suggestions, and do what they did before where there is nothing to act on.

local show = require("lacuna.show")

local M = {}

---@class lacuna.Installed
---@field key string
---@field callback fun()
---@field previous? table the mapping that was there, as of `maparg()`

local installed = {} ---@type lacuna.Installed[]
local toggle_key ---@type string|false
local generation = 0 -- of the keys for what was before: who has got hold of an old mapping of ours may go on using it

--- What keys do in Insert mode, by the names that they have in the options. False: there was nothing to do.
---@type table<string, fun(): boolean>
local ACTIONS = {
  accept = function()
    return show.take("all")
  end,
  accept_word = function()
    return show.take("word")
  end,
  accept_line = function()
    return show.take("line")
  end,
  next = function()
    return show.go_on(1)
  end,
  previous = function()
    return show.go_on(-1)
  end,
  dismiss = show.dismiss,
  suggest = show.suggest,
}

--- Map the keys of the options, instead of those that were mapped by an earlier call.
---@param keys table<string, string|false>
function M.install(keys)
  M.remove()
  generation = generation + 1
  for name in pairs(ACTIONS) do
    if keys[name] then
      M._install(name, keys[name] --[[@as string]])
    end
  end
  toggle_key = keys.toggle
  if toggle_key then
    vim.keymap.set("n", toggle_key, "<Cmd>Lacuna toggle<CR>", { desc = "Lacuna: toggle" })
  end
end

--- Give the keys back, where they are still ours.
function M.remove()
  for _, mapping in ipairs(installed) do
    local now = M._global(mapping.key)
    if now and now.callback == mapping.callback then
      vim.keymap.del("i", mapping.key)
      if mapping.previous then
        vim.fn.mapset("i", false, mapping.previous)
      end
    end
  end
  installed = {}
  if toggle_key then
    pcall(vim.keymap.del, "n", toggle_key)
  end
end

--- Whether a key still is Lacuna's, and was not mapped anew since.
---@param key string
---@return boolean
function M.owns(key)
  local now = M._global(key)
  return vim.iter(installed):any(function(mapping)
    return mapping.key == key and now ~= nil and now.callback == mapping.callback
  end)
end

---@param name string
---@param key string
function M._install(name, key)
  local previous = M._global(key)
  local fallback = ("<Plug>(lacuna-not-%s-%d)"):format(name, generation)
  if previous then
    local moved = vim.tbl_extend("force", previous, { lhs = fallback, lhsraw = vim.keycode(fallback) })
    moved.lhsrawalt = nil
    vim.fn.mapset("i", false, moved)
  else
    vim.keymap.set("i", fallback, key)
  end
  -- No <expr>: Neovim works those out while the letter before is not in the text yet, if the keys come fast.
  vim.keymap.set("i", key, function()
    if not ACTIONS[name]() then
      vim.api.nvim_feedkeys(vim.keycode(fallback), "i", false)
    end
  end, { desc = "Lacuna: " .. name:gsub("_", " ") })
  local mapping = assert(M._global(key), "it was just mapped")
  table.insert(installed, { key = key, callback = mapping.callback, previous = previous })
end

--- The mapping of a key in Insert mode in all buffers. Those of single buffers come before ours by themselves.
---@param key string
---@return table?
function M._global(key)
  local name = vim.fn.keytrans(vim.keycode(key)) -- the raw forms of a key such as <C-]> differ
  return vim.iter(vim.api.nvim_get_keymap("i")):find(function(mapping)
    return mapping.lhs == name
  end)
end

return M
