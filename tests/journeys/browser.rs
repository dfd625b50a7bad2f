//! A headless Chromium for the journeys of the console and of the example page.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Once,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use journeys::{http::Http, unique_id, wait::within};
use serde_json::{Value, json};

/// If it is `required`, a journey fails without a browser. Otherwise it is skipped.
const VARIABLE: &str = "REGISTRAR_BROWSER";

static SKIPPED: Once = Once::new();

/// A name that leads to this machine, as after DNS rebinding.
pub(crate) const REBOUND_HOST: &str = "rebound.test";

/// A browser with one page. It ends when this is dropped.
pub(crate) struct Browser {
    pub(crate) page: Client,
    http: Http,
    /// The address of the session at the driver.
    session: String,
    driver: Driver,
}

struct Driver {
    process: Child,
    /// Only this browser's processes have it among their arguments.
    profile: PathBuf,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for process in processes_with(&self.profile) {
            let _ = Command::new("kill").args(["-KILL", &process]).stderr(Stdio::null()).status();
        }
        let _ = fs::remove_dir_all(&self.profile);
    }
}

fn processes_with(profile: &Path) -> Vec<String> {
    let wanted = profile.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|process| {
        let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&wanted)
    });
    processes.filter_map(|process| process.file_name().into_string().ok()).collect()
}

impl Browser {
    /// `None` if there is no browser, which it prints, unless one is required.
    pub(crate) async fn start() -> Option<Self> {
        let programs = ["chromium", "chromedriver"].map(program);
        let [Some(chromium), Some(chromedriver)] = programs else {
            let missing =
                "Chromium or its driver is not installed (Debian: chromium, chromium-driver)";
            let is_required = env::var(VARIABLE).is_ok_and(|value| value == "required");
            assert!(!is_required, "{missing}");
            // Written once, and past the test's captured output.
            SKIPPED.call_once(|| {
                let _ = writeln!(io::stderr(), "journeys in a browser are skipped: {missing}");
            });
            return None;
        };
        let profile = env::temp_dir().join(unique_id("registrar-browser"));
        fs::create_dir(&profile).expect("the temporary directory can be written");
        let mut process = Command::new(chromedriver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let output = process.stdout.take().expect("its output is piped");
        let driver = Driver { process, profile };
        let driver_url = format!("http://127.0.0.1:{}", port(output));
        let capabilities = json!({
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--hide-scrollbars", "--window-size=1280,900",
                format!("--user-data-dir={}", driver.profile.display()),
                format!("--host-resolver-rules=MAP {REBOUND_HOST} 127.0.0.1"),
            ]},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver_url)
            .await
            .expect("the browser starts");
        let session = page.session_id().await.expect("the driver responds").expect("it began");
        let session = format!("{driver_url}/session/{session}");
        Some(Self { page, http: Http::default(), session, driver })
    }

    /// Ends the browser.
    pub(crate) async fn close(self) {
        self.page.close().await.expect("the browser ends");
        drop(self.driver);
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.page.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// What a reader sees of the page.
    ///
    /// One script finds the body and reads it: an element that was found before may belong to a page that is left.
    pub(crate) async fn text(&self) -> String {
        let text = self.evaluate("return document.body ? document.body.innerText : ''").await;
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until a reader sees all of these texts.
    pub(crate) async fn wait_for_texts(&self, texts: &[&str]) {
        within(Duration::from_secs(30), &format!("{texts:?}"), async || {
            let page = self.text().await;
            texts.iter().all(|text| page.contains(text)).then_some(())
        })
        .await;
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.page.find(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}: {}", self.text().await),
        }
    }

    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.page
            .execute(script, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Presses a key on the element that has the focus.
    pub(crate) async fn press(&self, key: Key) {
        let active = self.page.active_element().await.expect("an element has the focus");
        active.send_keys(&char::from(key).to_string()).await.expect("keys can be pressed");
    }

    /// Presses Tab until the element that has the focus has this text.
    pub(crate) async fn tab_to(&self, text: &str) {
        const MAX_TABS: usize = 60;
        let mut passed = Vec::new();
        for _ in 0..MAX_TABS {
            self.press(Key::Tab).await;
            let focused = "return document.activeElement.innerText || ''";
            let focused = self.evaluate(focused).await.as_str().unwrap_or_default().to_owned();
            if focused.trim().starts_with(text) {
                let outline = "return getComputedStyle(document.activeElement).outlineStyle";
                assert_ne!(
                    self.evaluate(outline).await,
                    "none",
                    "the focus of {text} is not visible"
                );
                return;
            }
            passed.push(focused);
        }
        panic!("no Tab leads to {text:?}: {passed:?}");
    }

    /// The width of the window, with the style of a phone.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// `light` or `dark`.
    pub(crate) async fn prefer_color_scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// The roles and names that a screen reader is given.
    pub(crate) async fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let text =
            |node: &Value, name| node[name]["value"].as_str().unwrap_or_default().trim().to_owned();
        nodes.iter().map(|node| (text(node, "role"), text(node, "name"))).collect()
    }

    /// What the browser complained about since it was last asked, such as what a policy refused. A status of a
    /// response is not a complaint.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver_call("se/log", json!({"type": "browser"})).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        let messages = severe.map(|entry| entry["message"].to_string());
        messages.filter(|message| !message.contains("responded with a status of")).collect()
    }

    /// Calls Chromium's own protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.driver_call("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    async fn driver_call(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.session);
        let response = self.http.send(None, "POST", &url, body.to_string()).await;
        assert_eq!(response.status, 200, "{path}: {:?}", response.body);
        response.body["value"].clone()
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The driver prints the port that it took.
fn port(output: impl Read) -> u16 {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().expect("the driver prints a port");
        }
    }
    panic!("the driver ended");
}
