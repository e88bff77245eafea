--- The options: their defaults, what the user set, and what is wrong with it.

local M = {}

---@class lacuna.Options
local defaults = {
  --- The command that starts the server, as in `{ "/opt/lacuna/bin/lacuna", "serve" }`. With `false` it is looked
  --- for, see |lacuna-server|.
  cmd = false, ---@type string[]|false
  --- Whether a server in the `.venv` of the project may be started. You are asked for each project, and again when its
  --- program is another one.
  project_venv = false,
  --- What marks the root of a project.
  root_markers = { ".git", "pyproject.toml", "package.json", "Cargo.toml", "go.mod" },
  --- Whether suggestions and next edits come by themselves. With `false` they come when you ask: |lacuna.suggest()|,
  --- |:Lacuna-next|.
  auto = true,
  --- Milliseconds without a key before the server is asked.
  wait_ms = 60,
  --- Milliseconds without a key in Insert mode before the server is asked for a next edit. In Normal mode and after
  --- Insert mode it is asked after `wait_ms`.
  next_edit_wait_ms = 1000,
  --- Whether suggestions are shown while a completion menu is open (Neovim's own, nvim-cmp's or blink.cmp's).
  show_with_menu = false,
  --- Whether Neovim's own `vim.lsp.inline_completion` shows the suggestions (0.12 and newer), see |lacuna-native|.
  native = false,
  --- Keys. They act in Insert mode, but `next_edit`, `dismiss_edit` and `toggle` in Normal mode. `false` leaves a key
  --- alone. Where there is nothing to act on, a key does what it did before |lacuna.setup()|.
  keys = {
    --- Take the whole suggestion.
    accept = "<Tab>", ---@type string|false
    --- Take its next word.
    accept_word = "<M-Right>", ---@type string|false
    --- Take it up to the end of its line.
    accept_line = "<M-C-Right>", ---@type string|false
    --- Show the next of several suggestions; asks for more where there is but one.
    next = "<M-]>", ---@type string|false
    --- Show the previous one.
    previous = "<M-[>", ---@type string|false
    --- Hide the suggestion until you type on.
    dismiss = "<C-]>", ---@type string|false
    --- Ask for suggestions now, also for those that the server is less sure of.
    suggest = "<M-Bslash>", ---@type string|false
    --- Go to the next edit, or make it: |lacuna-next-edits|. In terminals <Tab> is <C-I> too.
    next_edit = "<Tab>", ---@type string|false
    --- Hide the next edit for good.
    dismiss_edit = "<Esc>", ---@type string|false
    --- Switch Lacuna on and off.
    toggle = false, ---@type string|false
  },
  --- How |:Lacuna-watch| shows the denoising.
  watch = {
    --- "float" or "split".
    window = "float",
    --- Milliseconds that each step stays at least; steps are often faster than an eye.
    step_ms = 80,
  },
  --- Settings of the server. A change takes effect when |lacuna.setup()| is called again, without a restart.
  settings = {
    --- False: no suggestions, and the model gives its memory back.
    enabled = true,
    --- File types without suggestions, as in `{ "markdown", "text" }`.
    disabled_languages = {}, ---@type string[]
    --- "auto" (the best that is pulled and fits this machine), a name that |:Lacuna-pull| knows, or a path that is
    --- absolute or begins with "./", "../" or "~".
    model = "auto",
    --- One of your own: a name from `lacuna train gap`, or a path; "" for the model's.
    adapter = "",
    --- "auto", "cpu", "cuda" or "mps".
    device = "auto",
    --- "auto", "float32", "bfloat16" or "int8".
    dtype = "auto",
    --- CPU threads; 0 lets Lacuna choose.
    threads = 0,
    --- Of a server that fills instead of a model here, as "http://127.0.0.1:8012"; "" for none. What stands around the
    --- cursor is sent there.
    engine_url = "",
    --- What it is asked by: "auto", "llama.cpp", "completions", "ollama", "fim" or "chat".
    engine_dialect = "auto",
    --- Which of its models fills; "" for the one that it has.
    engine_model = "",
    --- Where its key is: "env:NAME" or "keyring:SERVICE"; never the key itself.
    engine_key = "",
    --- Milliseconds that the server waits for a newer request, beside `wait_ms`.
    debounce_ms = 0,
    --- Lines of a suggestion at most.
    max_lines = 8,
    --- 0 to 1; unasked, suggestions less sure than this are not shown.
    confidence = 0.4,
    --- Milliseconds that an automatic request may take; more candidates are tried where they fit in.
    budget_ms = 150,
    --- Candidates when you ask: the most different suggestions that can come.
    num_candidates = 3,
    --- "inline" ghost text, "plain" items in the completion menu, or "both".
    completion = "inline",
    --- `.gitignore` patterns of files to leave alone; "!pattern" lets in what these or an ignore file left out, but no
    --- secrets.
    excluded = {}, ---@type string[]
    --- Edits that follow from your last one: |lacuna-next-edits|.
    next_edits = true,
    --- Counts per day, without any text, in a file of yours; |:Lacuna-stats| shows them.
    statistics = true,
    --- "debug", "info", "warning" or "error".
    log_level = "info",
  },
}

-- What options were called in 0.1: accepted, with a warning, until 0.3.
local RENAMED = { ["settings.drafts"] = "num_candidates" }

---@type lacuna.Options
M.options = vim.deepcopy(defaults)
M.is_set_up = false -- whether setup() was called: without, the server keeps its own settings

--- Take the user's options; those that are wrong keep their defaults.
---@param user? table
---@return string[] problems what is wrong, in words for the user
function M.set(user)
  local problems = {} ---@type string[]
  local options = vim.deepcopy(defaults)
  if user ~= nil and type(user) ~= "table" then
    problems[1] = ("setup() takes a table, not %s"):format(vim.inspect(user))
  else
    M._merge(options, user or {}, "", problems)
  end
  M.options, M.is_set_up = options, true
  return problems
end

--- Whether anything is to be suggested in a buffer.
---@param buf integer
---@return boolean
function M.is_on(buf)
  local settings = M.options.settings
  return settings.enabled
    and vim.bo[buf].modifiable -- Neovim 0.12 attaches to help, too
    and vim.b[buf].lacuna_enabled ~= false
    and not vim.tbl_contains(settings.disabled_languages, vim.bo[buf].filetype)
end

--- The settings as the server reads them. JSON has to see an empty list as a list.
---@return table<string, any>
function M.server_settings()
  local settings = vim.deepcopy(M.options.settings) --[[@as table<string, any>]]
  for name, value in pairs(settings) do
    if type(value) == "table" and next(value) == nil then
      settings[name] = vim.empty_dict() -- the server takes {} for an empty list too
    end
  end
  return settings
end

---@param options table changed in place
---@param user table
---@param path string where in the options we are, as in "keys."
---@param problems string[] added to
function M._merge(options, user, path, problems)
  for key, value in pairs(M._with_new_names(user, path, problems)) do
    local name = path .. tostring(key)
    local default = options[key]
    if default == nil then
      local close = M._closest(tostring(key), vim.tbl_keys(options))
      table.insert(
        problems,
        ("unknown option %q"):format(name) .. (close and (", did you mean %q?"):format(path .. close) or "")
      )
    elseif M._is_section(default) and type(value) == "table" then
      M._merge(default, value, name .. ".", problems)
    elseif M._fits(name, default, value) then
      options[key] = value
    else
      table.insert(
        problems,
        ("option %q must be %s, not %s"):format(name, M._wanted(name, default), vim.inspect(value))
      )
    end
  end
end

--- The user's options with what was renamed under its new name, which wins where both are set.
---@param user table
---@param path string
---@param problems string[] added to
---@return table
function M._with_new_names(user, path, problems)
  local renamed = {}
  for key, value in pairs(user) do
    local new = RENAMED[path .. tostring(key)]
    if new then
      table.insert(problems, ("option %q is called %q now"):format(path .. key, path .. new))
    end
    if not new or user[new] == nil then
      renamed[new or key] = value
    end
  end
  return renamed
end

---@param default any
---@return boolean section a table of options, not a list
function M._is_section(default)
  return type(default) == "table" and next(default) ~= nil and not vim.islist(default)
end

local CHOICES = { ["watch.window"] = { "float", "split" } }

---@param name string
---@param default any
---@param value any
---@return boolean
function M._fits(name, default, value)
  if M._is_section(default) then
    return false
  elseif CHOICES[name] then
    return vim.tbl_contains(CHOICES[name], value)
  elseif name == "cmd" then
    return value == false or (M._is_list_of_strings(value) and #value > 0)
  elseif vim.startswith(name, "keys.") then
    return value == false or (type(value) == "string" and value ~= "")
  elseif type(default) == "table" then
    return M._is_list_of_strings(value)
  elseif type(default) == "number" then
    return type(value) == "number" and value >= 0
  end
  return type(value) == type(default)
end

---@param name string
---@param default any
---@return string
function M._wanted(name, default)
  if CHOICES[name] then
    return 'one of "' .. table.concat(CHOICES[name], '", "') .. '"'
  elseif name == "cmd" then
    return "a list of words, or false"
  elseif vim.startswith(name, "keys.") then
    return 'a key as in "<Tab>", or false'
  elseif M._is_section(default) then
    return "a table of options"
  end
  return ({ boolean = "true or false", number = "a number from 0", string = "a text", table = "a list of texts" })[type(
    default
  )]
end

---@param value any
---@return boolean
function M._is_list_of_strings(value)
  return type(value) == "table"
    and vim.islist(value)
    and vim.iter(value):all(function(item)
      return type(item) == "string"
    end)
end

--- The known name that is spelt most like an unknown one; nil if none is.
---@param name string
---@param known string[]
---@return string?
function M._closest(name, known)
  local best, least = nil, math.max(2, #name / 3)
  table.sort(known)
  for _, candidate in ipairs(known) do
    local distance = M._edits(name:lower(), candidate)
    if distance <= least and (not best or distance < least) then
      best, least = candidate, distance
    end
  end
  return best
end

--- How many letters have to be put in, left out or changed (Levenshtein's distance).
---@param left string
---@param right string
---@return integer
function M._edits(left, right)
  local row = {} ---@type integer[] distances of the beginning of `left` to all beginnings of `right`
  for j = 0, #right do
    row[j] = j
  end
  for i = 1, #left do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #right do
      local change = diagonal + (left:byte(i) == right:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(change, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#right]
end

return M
