--- Keys that act on suggestions, and do what they did before where there is nothing to act on.

local next_edits = require("lacuna.next_edits")
local show = require("lacuna.show")

local M = {}

---@class lacuna.Action
---@field mode "i"|"n"
---@field run fun(): boolean false: there was nothing to do

---@class lacuna.Installed
---@field name string
---@field mode "i"|"n"
---@field key string
---@field callback fun()
---@field previous? table the mapping that was there, as of `maparg()`

local installed = {} ---@type lacuna.Installed[]
local toggle_key ---@type string|false
local generation = 0 -- of the keys for what was before: who has got hold of an old mapping of ours may go on using it

---@param run fun(...): boolean
---@param argument? any
---@return lacuna.Action
local function insert(run, argument)
  return {
    mode = "i",
    run = function()
      return run(argument)
    end,
  }
end

--- What keys do, by the names that they have in the options.
---@type table<string, lacuna.Action>
local ACTIONS = {
  accept = insert(show.take, "all"),
  accept_word = insert(show.take, "word"),
  accept_line = insert(show.take, "line"),
  next = insert(show.go_on, 1),
  previous = insert(show.go_on, -1),
  dismiss = insert(show.dismiss),
  suggest = insert(show.suggest),
  next_edit = { mode = "n", run = next_edits.take },
  dismiss_edit = { mode = "n", run = next_edits.dismiss },
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
    if M._is_ours(mapping) then
      vim.keymap.del(mapping.mode, mapping.key)
      if mapping.previous then
        vim.fn.mapset(mapping.mode, false, mapping.previous)
      end
    end
  end
  installed = {}
  if toggle_key then
    pcall(vim.keymap.del, "n", toggle_key)
  end
end

--- Whether the key of an action still is Lacuna's, and was not mapped anew since.
---@param name string
---@return boolean
function M.owns(name)
  return vim.iter(installed):any(function(mapping)
    return mapping.name == name and M._is_ours(mapping)
  end)
end

---@param name string
---@param key string
function M._install(name, key)
  local mode, run = ACTIONS[name].mode, ACTIONS[name].run
  local previous = M._global(mode, key)
  local fallback = ("<Plug>(lacuna-not-%s-%d)"):format(name, generation)
  if previous then
    local moved = vim.tbl_extend("force", previous, { lhs = fallback, lhsraw = vim.keycode(fallback) })
    moved.lhsrawalt = nil
    vim.fn.mapset(mode, false, moved)
  else
    vim.keymap.set(mode, fallback, key)
  end
  -- No <expr>: Neovim works those out while the letter before is not in the text yet, if the keys come fast.
  vim.keymap.set(mode, key, function()
    local count = mode == "n" and vim.v.count > 0 and vim.v.count or ""
    if not run() then
      vim.api.nvim_feedkeys(count .. vim.keycode(fallback), "i", false)
    end
  end, { desc = "Lacuna: " .. name:gsub("_", " ") })
  local now = assert(M._global(mode, key), "it was just mapped")
  table.insert(installed, { name = name, mode = mode, key = key, callback = now.callback, previous = previous })
end

---@param mapping lacuna.Installed
---@return boolean
function M._is_ours(mapping)
  local now = M._global(mapping.mode, mapping.key)
  return now ~= nil and now.callback == mapping.callback
end

--- The mapping of a key in all buffers. Those of single buffers come before ours by themselves.
---@param mode "i"|"n"
---@param key string
---@return table?
function M._global(mode, key)
  local raw = vim.keycode(key)
  local name = vim.fn.keytrans(raw) -- the raw forms of a key such as <C-]> differ
  local mappings = vim.api.nvim_get_keymap(mode)
  local function with(field, value)
    return vim.iter(mappings):find(function(mapping)
      return mapping[field] == value
    end)
  end
  return with("lhs", name) or with("lhsrawalt", raw) -- a mapping of <C-I> alone is one of <Tab> too
end

return M
