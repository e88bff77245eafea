"""`python -m lacuna.lsp_server`: the command `lacuna`."""

from lacuna.lsp_server.entry import main

main()
