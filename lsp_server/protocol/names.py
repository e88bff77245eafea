"""Names of methods and commands that LSP does not define: ours, and those of clients of Copilot's server."""

from __future__ import annotations

# Commands of workspace/executeCommand.
ACCEPTED = "lacuna.accepted"  # a suggestion was taken; its argument is the item's id
PARTIALLY_ACCEPTED = "lacuna.partiallyAccepted"  # the item's id, and how much of its text was taken
EDIT_ACCEPTED = "lacuna.editAccepted"  # a next edit was taken; its argument is the id
DISMISSED = "lacuna.dismissed"  # a next edit is not wanted; its argument is the id
REWRITE = "lacuna.rewrite"  # its argument is {textDocument, range, instruction}, its answer a WorkspaceEdit
STATISTICS = "lacuna.statistics"  # counts and times since the start
SHOW_FRAMES = "lacuna.frames"  # whether the client wants to be sent FRAMES
PULL = "lacuna.pull"  # fetch a model
MODELS = "lacuna.models"  # what can be chosen as `model`

# Notifications of the client.
CURSOR = "lacuna/cursor"  # the cursor rests somewhere, and no key was pressed: {textDocument, position}

# Notifications to the client.
STATUS = "lacuna/status"  # {"state", "message"}
COPILOT_STATUS = "didChangeStatus"  # the same for clients of Copilot's server: {"busy", "message", "kind"}
FRAMES = "lacuna/frames"  # one denoising step of a request: see `convert.frames`

# Messages of clients of Copilot's server.
DID_SHOW = "textDocument/didShowCompletion"  # about an item of ours
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"  # about an item of ours
NEXT_EDIT = "textDocument/copilotInlineEdit"  # asks for a next edit
DID_SHOW_EDIT = "textDocument/didShowInlineEdit"  # about a next edit of ours
DID_FOCUS = "textDocument/didFocus"  # which document the user looks at
