// Signs a student in with any OpenID Connect issuer: the authorization code flow with PKCE (RFC 7636, RFC 9700).

const PENDING = "registrar.sign-in";

/** Where the issuer sends the student back to: this page, without query and fragment. */
const redirectUri = new URL(location.pathname, location.origin).href;

/** Leaves the page for the issuer's. */
export async function begin(config) {
  const { authorization_endpoint } = await discover(config.issuer);
  const pending = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const address = new URL(authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: config.client_id,
    redirect_uri: redirectUri,
    scope: "openid profile email",
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await sha256(pending.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  location.assign(address);
}

/**
 * The ID token and its claims, if the issuer has just sent the student back; otherwise null.
 *
 * The token stays in this page's memory: whatever is stored, another script of this origin could read later.
 */
export async function finish(config) {
  const response = new URLSearchParams(location.search);
  if (!response.has("code") && !response.has("error")) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "{}");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", redirectUri);
  // Without the state of this browser, the response may be another person's.
  if (!pending.state || response.get("state") !== pending.state) throw new Error("this sign-in did not begin here");
  if (response.has("error")) throw new Error(`the issuer refused: ${response.get("error")}`);

  const { token_endpoint } = await discover(config.issuer);
  const answer = await fetch(token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: response.get("code"),
      client_id: config.client_id,
      redirect_uri: redirectUri,
      code_verifier: pending.verifier,
    }),
  });
  if (!answer.ok) throw new Error(`the issuer refused the code with ${answer.status}`);
  const { id_token: token } = await answer.json();
  const claims = JSON.parse(new TextDecoder().decode(fromBase64Url(token.split(".")[1])));
  if (claims.nonce !== pending.nonce) throw new Error("the token is of another sign-in");
  return { token, claims };
}

async function discover(issuer) {
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!response.ok) throw new Error(`the issuer's configuration has status ${response.status}`);
  return response.json();
}

function random() {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

async function sha256(text) {
  return base64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function base64Url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
