--- Tells the server where the cursor rests, so that what stands around it is read before somebody types there.

local client = require("lacuna.client")
local config = require("lacuna.config")

local M = {}

local REST_MS = 150 -- who moves on through a file wants nothing read on the way

local moves = 0 -- only the last of them counts

--- Follow the cursor in every buffer that the server is attached to. In Insert mode each move asks for a suggestion.
function M.start()
  vim.api.nvim_create_autocmd({ "CursorMoved", "BufEnter", "LspAttach" }, {
    group = vim.api.nvim_create_augroup("lacuna.resting", {}),
    callback = M.moved,
  })
end

--- The cursor is somewhere else.
function M.moved()
  moves = moves + 1
  local move, buf = moves, vim.api.nvim_get_current_buf()
  if vim.fn.reg_executing() == "" and client.of(buf) and config.is_on(buf) then
    vim.defer_fn(function()
      if move == moves and vim.api.nvim_get_current_buf() == buf then
        M.tell(buf)
      end
    end, REST_MS)
  end
end

--- Say where it is now.
---@param buf integer the current one
function M.tell(buf)
  local server = client.of(buf)
  if server then
    client.notify(server, "lacuna/cursor", vim.lsp.util.make_position_params(0, server.offset_encoding))
  end
end

return M
