//! Students' tokens, signed by the issuer of the stack or by nobody that it trusts.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{DeployedStack, HttpResponse, Student};

impl DeployedStack {
    /// The claims of a token that the stack accepts.
    pub fn claims(&self, student: &Student) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": self.description.issuer, "aud": self.description.audience,
            "iat": now, "exp": now + 600, "sub": student.id, "email": student.email,
            "email_verified": true, "name": student.name,
        })
    }

    /// A token with these claims, signed with the issuer's key.
    pub async fn token(&self, claims: &Value) -> String {
        self.token_signed_with("published", json!({}), claims).await
    }

    /// A token with these claims. `header` replaces fields of the usual header. The key is `published` or `unpublished`.
    pub async fn token_signed_with(&self, key: &str, header: Value, claims: &Value) -> String {
        let wanted = json!({"key": key, "header": header, "claims": claims}).to_string();
        let url = format!("{}/_test/tokens", self.description.issuer);
        let response = self.http.send(None, "POST", &url, wanted).await;
        response.body["token"].as_str().expect("the issuer signs any claims").to_owned()
    }

    /// Calls the API as the page of a student does.
    pub async fn call_as(
        &self,
        student: &Student,
        method: &str,
        path: &str,
        body: impl ToString,
    ) -> HttpResponse {
        let token = self.token(&self.claims(student)).await;
        self.call_with_token(&token, method, path, body).await
    }

    /// Calls the API with a token.
    pub async fn call_with_token(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: impl ToString,
    ) -> HttpResponse {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        self.call_with_headers(method, path, &headers, body.to_string()).await
    }
}
