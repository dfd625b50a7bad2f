//! docs/openapi.json against the deployed stack: schemathesis makes requests of every kind from it, right and wrong, signed
//! and unsigned, and checks each response. local/schemathesis.toml says which checks are left out, and why.

use std::process::Command;

use journeys::{DeployedStack, description::Credentials, payments::Stripe};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn every_response_to_generated_requests_is_in_the_contract() {
    let stack = DeployedStack::shared().await;
    let _stripe = Stripe::of(&stack);
    let description = &stack.description;
    let mut command = Command::new(format!("{ROOT}/.venv/contract/bin/schemathesis"));
    command
        .current_dir(ROOT)
        .args(["--config-file", "local/schemathesis.toml", "run", "docs/openapi.json"])
        .args(["--url", &description.api_url])
        .env("AWS_REGION", &description.region)
        .env("PYTHONPATH", ROOT);
    for (role, key) in [
        ("CALLER", &description.caller),
        ("OPERATOR", &description.operator),
        ("PAYMENTS_OPERATOR", &description.payments_operator),
    ] {
        let Credentials { access_key_id, secret_access_key } = key;
        command
            .env(format!("{role}_ACCESS_KEY_ID"), access_key_id)
            .env(format!("{role}_SECRET_ACCESS_KEY"), secret_access_key);
    }
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("it does not panic").expect("`make tools` installs schemathesis");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let operations = description_of_operations();
    assert!(
        text.contains(&format!("{operations} tested"))
            || text.contains(&format!("Tested: {operations}")),
        "not every operation was tested: {text}"
    );
}

fn description_of_operations() -> usize {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/openapi.json")).expect("it is there");
    text.matches("\"operationId\"").count()
}
