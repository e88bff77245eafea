"""Which names of files say that they hold secrets, and which only sound so."""

import pytest

from lacuna.engine.untrusted.secret_names import secret_rule

SECRET = [
    ".lftprc", ".op/config", "pass.txt", "pwd.txt", "env.production", "env.local", "database.yml", "dump.rdb",
    "terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", "a.tfvars.json", ".terraformrc", "terraform.rc",
    ".terraform.d/credentials.tfrc.json", "kubeconfig", "prod.kubeconfig", "kubeconfig.yaml", "kubeconfig-prod",
    ".kube/config", ".kube/config.prod", "admin.conf", "k8s-secret.yaml", ".aws/config", ".aws/credentials",
    ".azure/accessTokens.json", ".config/gcloud/application_default_credentials.json", ".boto", ".s3cfg",
    "rclone.conf", "kaggle.json", ".oci/config", ".databrickscfg", "gcp-key.json", "my-service-account.json",
    "serviceAccountKey.json", "client_secret_123.apps.googleusercontent.com.json", "app-firebase-adminsdk-x1.json",
    "GoogleService-Info.plist", ".config/gh/hosts.yml", ".config/hub", ".git-credentials", ".sentryclirc",
    ".secrets", ".npmrc", ".yarnrc.yml", ".pypirc", "pip.conf", ".gem/credentials", ".cargo/credentials.toml",
    ".m2/settings.xml", "settings.xml", "nuget.config", "NuGet.Config", "auth.json", ".composer/auth.json",
    ".docker/config.json", ".dockercfg", "local.properties", "id_rsa", "id_rsa.pub", "id_ed25519", "id_ecdsa-work",
    "deploy_key", "deploy_rsa", "ssh_host_ed25519_key", ".ssh/anything", "known_hosts", "server.pem", "tls.key",
    "a.p12", "a.pfx", "a.jks", "a.kdbx", "a.ppk", "a.asc", "a.gpg", "a.age", "a.keytab", ".gnupg/pubring.kbx",
    ".env", ".ENV", "prod.env", ".env.local", ".env-prod", ".env_staging", ".envrc", ".envrc.local", ".flaskenv",
    ".Renviron", ".dev.vars", ".env~", ".env.bak", ".env.old", ".env.orig", ".env.swp", "..env.swp", ".env.swo",
    ".#.env", "#.env#", ".env(copy)", ".env.20240101", ".env.prod.bak", "secrets.yaml", "secrets.yml.bak",
    "secret.json", "app-secrets.toml", "secrets/prod.ini", "deep/secrets/a/b.txt", "credentials", "Credentials.csv",
    "credentials_prod.yaml", "aws-credentials.csv", "creds.txt", "passwords.txt", "db_password.txt", "passwd",
    "token", "token.txt", "token.json", "api_key.txt", "hub_token", ".github_token", "access_token.txt",
    "private_key.txt", "keys.txt", ".vault_pass", "vault_password_file", ".vault-token", ".bash_history",
    ".zsh_history", ".python_history", ".psql_history", "fish_history", ".viminfo", ".netrc", "_netrc",
    ".netrc.old", ".pgpass", ".my.cnf", ".htpasswd", ".password-store/a/b", "wallet.dat", "UTC--2024-01-01T00",
    "mnemonic.txt", "logins.json", "key4.db", "cookies.sqlite", "Bitwarden_Export.json", "a.ovpn", "wg0.conf",
    "a.nmconnection", "wpa_supplicant.conf", "shadow", "smbcredentials", "wp-config.php", "wp-config.php.bak",
    "local.settings.json", "appsettings.Production.json", "sftp-config.json", ".curlrc",
]  # fmt: skip

CODE = [
    "main.py", "environment.py", "env.py", "key.rs", "keys.ts", "pem.go", "rsa.c", "netrc.py", "id.py",
    "secrets.py", "secret.go", "credentials.py", "tokens.py", "token.go", "auth.py", "passwords_controller.rb",
    "CredentialsProvider.java", "credentials_test.go", "secret_santa.py", "api_key.ts", "secrets/manager.go",
    "secrets/__init__.py", "credentials/provider.ts", "prod.env.js", "private_key.rs", "service_account.py",
    "secrets.tf", "secrets.py~", "credentials.py.bak", "config.json", "settings.json", "package.json",
    "tokens.json", "design-tokens.json", "tokenizer.json", "tokenizer_config.json", "monkey.json",
    "special_tokens_map.json", "added_tokens.json", "turkey.csv", "README.md", "secrets.md", "docs/credentials.rst",
    "tokens.css", "src/locales/en/auth.json", "app/src/main/res/xml/settings.xml", "config.yaml", "values.yaml",
    "docker-compose.yml", "environment.yml", "Dockerfile", "Makefile", "Untitled-1", ".gitignore", ".editorconfig",
    ".prettierrc", "secretary.txt", "history.md", "notes.txt", "gcloud/main.py", "keyrings/backend.py",
    "openvpn/parse.go", ".helm/templates/a.yaml", ".github/workflows/token.yaml.md",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_secret(name: str) -> None:
    assert secret_rule(f"/home/ann/code/{name}") is not None
    assert secret_rule(name) is not None


@pytest.mark.parametrize("name", CODE)
def test_no_secret(name: str) -> None:
    assert secret_rule(f"/home/ann/code/{name}") is None
    assert secret_rule(name) is None
