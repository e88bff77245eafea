"""Lines of code that speak of tokens, passwords and keys and hold none, by language."""

from __future__ import annotations

CODE = {
    "javascript": """
this.token = token;
const token = this.stack.pop();
const token = tokens[index++];
exports.getCookie = getCookie;
next(token) { return this.parse(token); }
this.effectiveConnectionToken = conn.connectionToken;
const { password, passwordConfirm } = req.body;
const token = jwt.sign({ sub: user.id }, process.env.JWT_SECRET, { algorithm: "HS256" });
const secret = process.env.SESSION_SECRET;
if (token === "endif2") return token;
axios.defaults.headers.common["Authorization"] = `Bearer ${token}`;
const body = "username=" + user + "&password=" + encodeURIComponent(password1) + "&grant_type=password";
case 1:n=e.token;break;default:r(e,t,"UNEXPECTED_TOKEN",`Unexpected ${e.type} token`);a=e.b;c=d[0]
if(host=a,user=b;password=c1d2;"x",e)return{type:"token",token:e,tokenType:t?"app":"user"};
var customToken="__ES6-PROMISIFY--CUSTOM-ARGUMENTS__";
session_key = await crypto.subtle.importKey("raw", keyData2, { name: "AES-GCM" }, false, ["encrypt"]);
""",
    "typescript": """
private readonly token: Base64UrlEncoded2;
const apiKey: string | undefined = config.apiKey2 ?? options.apiKey;
interface Login { user: string; password: string; token?: Sha256Digest }
const privateKey = await importPKCS8(pem, "RS256");
constructor(private password: PasswordService2) {}
accessToken = computed(() => this.session().accessToken);
password: z.string().min(8).max(128),
""",
    "python": """
token = next_token()
password = input('Password: ')
passwd = getpass.getpass()
password = getpass.getpass(f"Password for {user}: ")
secret = os.environ["SECRET_1"]
password = self.cleaned_data.get("password2")
token = "".join(secrets.choice(ALPHABET62) for _ in range(32))
password = request.form["new_password2"]
client_secret = config.get("oauth2", "client_secret_2")
api_key = os.getenv("OPENAI_API_KEY_2")
private_key = ed25519.Ed25519PrivateKey.generate()
secret = hmac.new(key, msg, hashlib.sha256).hexdigest()
def __init__(self, vocab, unk_token, max_input_chars_per_word=100):
raise ValueError("the password is too short")
apiKey = _messages.MessageField('GoogleCloudApihubV1Secret', 1)
token = self.tokens[self.position + 1]
password: str = Field(min_length=8, pattern="^[A-Za-z0-9]{8,}$")
password = "Enter your password2 here"
MODEL_PW1: "convnext.{bid}.pw1",
connection = "host=%s user=%s password=%s" % (host, user, password)
""",
    "java": """
Token token = lexer.nextToken();
this.password = password;
return this.password.equals(password);
String token = request.getHeader("X-Auth-Token2");
private final String secret = System.getenv("APP_SECRET_2");
char[] password = console.readPassword("Password: ");
SecretKeySpec secretKey = new SecretKeySpec(bytes, "HmacSHA256");
""",
    "c": """
char *token = next_token(s);
token = strtok_r(NULL, " ", &saveptr1);
c->password = gnome_keyring_memory_strdup(value);
status_pass = pass;
password = utf8_to_utf16_dup(v);
const char *api_key = getenv("API_KEY_2");
""",
    "cpp": """
std::string token = lexer->next();
auto secret = EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr);
ctx.pwd = plain.data();
Token token{TokenKind::Identifier2, source.substr(begin, 12)};
""",
    "csharp": """
var token = cancellationTokenSource.Token;
options.Password = builder.Configuration["Smtp:Password2"];
public string ApiKey { get; set; } = string.Empty;
SecurityToken token = handler.CreateToken(descriptor256);
var text = $"Server={host};User={user};Password={password};";
""",
    "go": """
token := lexer.Next()
password := os.Getenv("DB_PASSWORD_2")
token, err := jwt.ParseWithClaims(raw, &claims, keyFunc256)
secret := []byte(cfg.JWTSecret2)
dsn := fmt.Sprintf("host=%s user=%s password=%s", host, user, password)
""",
    "rust": """
let token = self.tokens[self.current];
let password = rpassword::prompt_password("Password: ")?;
let secret_key = SecretKey::from_slice(&bytes[..32])?;
Some(token) => token.kind2,
pub token: Option<Ed25519Token2>,
let api_key = env!("API_KEY_2");
""",
    "ruby": """
token = lexer.next_token
password = ENV.fetch("DB_PASSWORD_2")
has_secure_password validations: false
params.require(:user).permit(:name, :password, :password_confirmation)
secret = Rails.application.credentials.secret_key_base
""",
    "php": """
$token = $this->lexer->nextToken();
$password = $_POST['password2'];
'password' => 'required|string|min:8|confirmed',
$this->password = password_hash($password, PASSWORD_ARGON2ID);
$query = 'user='.$user.'&password='.urlencode($password2).'&x=1';
'USERPWD', 'HTTP200ALIASES', 'FILE',
""",
    "shellscript": """
token=$(curl -s "$URL2/token")
password="$DB_PASSWORD_2"
read -rsp "Password: " password
export SECRET=${SECRET}
API_KEY="${1:?usage: $0 key2}"
TOKEN=`cat /run/token2`
""",
    "sql": """
ALTER TABLE users ADD COLUMN password VARCHAR2(128) NOT NULL;
UPDATE sessions SET token = md5(random()::text), password = $2 WHERE id = 1;
NEW.token := encode(gen_random_bytes(32), 'hex');
""",
    "kotlin": """
val token = tokens.next()
val password: String = System.getenv("PASSWORD_2") ?: error("none")
private val secret by lazy { Base64.decode(raw2) }
""",
    "swift": """
let token = tokens[index + 1]
guard let password = passwordField.text, password.count >= 8 else { return }
let secretKey = SymmetricKey(size: .bits256)
""",
    "lua": """
local token = lexer:next()
local password = os.getenv("PASSWORD_2")
self.token = tokens[#tokens - 1]
""",
    "perl": """
my $pwd = Win32::GetCwd();
our $exists_token = \\undef;
my $password = $ENV{DB_PASSWORD_2};
""",
    "html": """
<input type="password" id="password2" name="password" placeholder="Password 123">
<label for="password">Password:</label>
<code class="token">token</code><span class="token keyword2">return</span>
<Token>Identifier</Token>
""",
    "css": """
.sk-folding-cube-with-a-rather-long-name-of-a-class { color: red; }
""",
    "yaml": """
password: ${DB_PASSWORD}
token: ${{ secrets.GITHUB_TOKEN2 }}
secret: my-application-secret
api_key: !vault key2
password: changeme
token: <token>
""",
    "properties": """
spring.datasource.password=${DB_PASSWORD_2}
token=your-token-here
API_KEY=xxxxxxxxxxxx
DB_PASSWORD=example
DATABASE_URL=postgres://postgres:postgres@localhost:5432/postgres
DB_PASSWORD=test
DB_PASSWORD=********
secret=%SECRET_2%
""",
    "markdown": """
Set `password: 'password123'` and go on; the token: base64url-encoded2.
`http://username:password@proxy.local` or https://user:pass@proxy:8080
The basic ConfigurationProvider2Factory and a bearer tokenFromRequestHeaderV2.
eyJhbGciOiJIUzI1NiJ9... is how a token: begins.
""",
}
LINES = [(language, line) for language, text in CODE.items() for line in text.strip().split("\n")]
