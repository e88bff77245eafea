"""The training corpus: permissively licensed sources by name, fetched by the package clients, filtered and split."""
