//! The operator's console in a browser, with only the permissions of a policy.

use std::{env, fs, path::Path};

use fantoccini::key::Key;
use journeys::{
    DeployedStack,
    backlog::Backlog,
    console::Console,
    eventually,
    operator::{registrar, with_release},
    unique_id,
};
use serde_json::json;

use crate::browser::{Browser, REBOUND_HOST};

/// A directory for the pictures of docs/img.
const PICTURES: &str = "REGISTRAR_PICTURES";

const PAGES: [&str; 7] =
    ["", "jobs", "letters", "enrollments", "holds", "emails", "letters/confirm?action=purge"];

/// A figure of the first page.
async fn figure(browser: &Browser, name: &str) -> String {
    let script = format!(
        "return [...document.querySelectorAll('.tile')].find(tile => tile.querySelector('dt').innerText === '{name}')\
         ?.querySelector('b').innerText ?? ''"
    );
    browser.evaluate(&script).await.as_str().unwrap_or_default().to_owned()
}

async fn backlog(browser: &Browser) -> Option<u64> {
    figure(browser, "Backlog").await.replace(',', "").parse().ok()
}

/// Waits for the figure. The page updates itself: it is not loaded again.
async fn wait_for_backlog(browser: &Browser, what: &str, is: impl Fn(u64) -> bool) -> u64 {
    eventually(what, async || backlog(browser).await.filter(|&backlog| is(backlog))).await
}

fn job(id: &str, to: &str) -> String {
    json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."}).to_string()
}

/// Writes a picture of the page, if the pictures are wanted.
async fn picture(browser: &Browser, name: &str) {
    let Ok(folder) = env::var(PICTURES) else { return };
    let picture = browser.page.screenshot().await.expect("the page can be drawn");
    fs::write(Path::new(&folder).join(name), picture).expect("the picture can be written");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn console_shows_a_backlog_while_it_drains_to_an_operator_who_may_only_read() {
    let Some(browser) = Browser::start().await else { return };
    let stack = DeployedStack::exclusive().await;
    let console = Console::start(&stack, &stack.description.reader).await;
    browser.goto(&console.address).await;
    // Other journeys leave jobs that wait for minutes.
    let others = wait_for_backlog(&browser, "the first reading", |_| true).await;

    let jobs = Backlog::of(200);
    jobs.enqueue(&stack).await;
    let seen = wait_for_backlog(&browser, "a backlog", |backlog| backlog > others + 20).await;
    let half = u64::midpoint(others, seen);
    wait_for_backlog(&browser, "half of it", |backlog| backlog < half).await;
    eventually("two lines of the chart", async || {
        let paths = browser
            .evaluate(
                "return [...document.querySelectorAll('#live .line')].filter(line => \
                 line.getTotalLength() > 20).length",
            )
            .await;
        (paths.as_u64() >= Some(2)).then_some(())
    })
    .await;
    picture(&browser, "console-overview.png").await;
    browser.prefer_color_scheme("dark").await;
    picture(&browser, "console-overview-dark.png").await;
    browser.prefer_color_scheme("light").await;
    wait_for_backlog(&browser, "its end", |backlog| backlog <= others).await;

    // What the policy does not permit is shown as such.
    browser.goto(&console.page("letters")).await;
    browser.wait_for_texts(&["Not permitted with these credentials"]).await;
    browser.goto(&console.page("holds")).await;
    browser.find("#reason").await.send_keys("not allowed").await.expect("the form has a reason");
    browser.find("form[action$='/hold'] button").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["Not permitted", "No hold is in force"]).await;

    // The ledger is searched by recipient, and a job leads to its timeline.
    let job = &jobs.jobs[7];
    browser.goto(&console.page("jobs")).await;
    let to = format!("{}@EXAMPLE.com", job.id);
    browser.find("#recipient").await.send_keys(&to).await.expect("the form has a recipient");
    browser.find("form.filters button").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["1 found"]).await;
    let address = browser.page.current_url().await.expect("the page has an address");
    assert!(!address.as_str().contains("example.com"), "{address}");
    browser.find("tbody a").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["was accepted by SES", "a worker claimed"]).await;
    assert_eq!(browser.complaints().await, [] as [&str; 0]);
    console.stop().await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn dead_letters_are_redriven_with_the_keyboard_by_the_number_that_was_confirmed() {
    let Some(browser) = Browser::start().await else { return };
    let stack = DeployedStack::exclusive().await;
    let ids: Vec<String> = (0..3).map(|_| unique_id("job")).collect();
    let to = |id: &str| format!("{id}@example.com");
    for id in &ids[..2] {
        stack.put_dead_letter(job(id, &to(id))).await;
    }
    let poison = format!("not a job: {}", unique_id("poison"));
    stack.enqueue(&poison).await;
    eventually("a dead letter", async || {
        let list = registrar(&stack, &["dead-letters", "list"]).await;
        list.out.contains("malformed_job").then_some(())
    })
    .await;
    let console = Console::start(&stack, &stack.description.email_operator).await;

    browser.goto(&console.page("letters")).await;
    browser.wait_for_texts(&[&*ids[0], &*ids[1]]).await;
    picture(&browser, "console-dead-letters.png").await;
    // The first Tab leads to the skip link.
    browser.tab_to("Skip to the content").await;
    browser.press(Key::Enter).await;
    browser.tab_to("Redrive 3 letters…").await;
    browser.press(Key::Enter).await;
    browser.wait_for_texts(&["Redrive 3 letters?"]).await;

    // One more arrives before the confirmation.
    stack.put_dead_letter(job(&ids[2], &to(&ids[2]))).await;
    browser.tab_to("Redrive 3 letters").await;
    browser.press(Key::Enter).await;
    browser.wait_for_texts(&["you confirmed 3 letters, and 4 letters match now"]).await;
    assert!(stack.emails_to(&to(&ids[0])).await.is_empty(), "it was redriven");

    browser.goto(&console.page("letters/confirm?action=redrive")).await;
    browser.tab_to("Redrive 4 letters").await;
    browser.press(Key::Enter).await;
    browser.wait_for_texts(&["Done: 3 letters. Left: 1 letter.", "it can never be sent"]).await;
    for id in &ids {
        stack.wait_for_email_to(&to(id)).await;
        stack.only_email_to(&to(id)).await;
    }

    browser.goto(&console.page("letters/confirm?action=purge")).await;
    browser.tab_to("Purge 1 letter").await;
    browser.press(Key::Enter).await;
    browser.wait_for_texts(&["Done: 1 letter. Left: 0 letters."]).await;
    registrar(&stack, &["dead-letters", "list"]).await.expect(0, &["0 letters"]);
    assert_eq!(browser.complaints().await, [] as [&str; 0]);
    console.stop().await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_by_a_click_stops_sending_and_another_site_cannot_place_one() {
    let Some(browser) = Browser::start().await else { return };
    let stack = DeployedStack::exclusive().await;
    let console = Console::start(&stack, &stack.description.root).await;
    Box::pin(with_release(&stack, hold_by_a_click(&stack, &browser, &console))).await;
    console.stop().await;
    browser.close().await;
}

async fn hold_by_a_click(stack: &DeployedStack, browser: &Browser, console: &Console) {
    // A page of another origin on this machine, which knows the address.
    let form = format!(
        "<form method=post action='{}'><input name=reason value=evil><button>Go</button></form>",
        console.page("hold")
    );
    let evil = serve(form);
    browser.goto(&evil).await;
    browser.find("button").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["refused: the request comes from another site"]).await;
    // Another name that leads to the console.
    browser.goto(&console.address.replace("127.0.0.1", REBOUND_HOST)).await;
    browser.wait_for_texts(&["this console responds only at 127.0.0.1"]).await;
    let token = console.address.split('/').nth(3).expect("the address has a token");
    browser.goto(&console.address.replace(token, &"0".repeat(token.len()))).await;
    browser.wait_for_texts(&["has a token"]).await;
    registrar(stack, &["holds"]).await.expect(0, &["nothing is held"]);

    browser.goto(&console.page("holds")).await;
    browser.find("#reason").await.send_keys("moving house").await.expect("the form has a reason");
    browser.find("form[action$='/hold'] button").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["moving house", "event source is off"]).await;
    registrar(stack, &["holds"]).await.expect(0, &["held by an operator", "moving house"]);
    browser.find("form[action$='/release'] button").await.click().await.expect("it can be clicked");
    browser.wait_for_texts(&["ended:", "No hold is in force"]).await;
    registrar(stack, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn every_page_fits_a_phone_has_names_for_screen_readers_and_contrast_in_both_colour_schemes()
{
    let Some(browser) = Browser::start().await else { return };
    let stack = DeployedStack::exclusive().await;
    let id = unique_id("job");
    stack.put_dead_letter(job(&id, "ada@example.com")).await;
    let console = Console::start(&stack, &stack.description.root).await;
    browser.goto(&console.address).await;
    wait_for_backlog(&browser, "the first reading", |_| true).await;
    eventually("a recent failure", async || browser.text().await.contains(&id).then_some(())).await;
    let letter = format!("letter/{id}");
    let about = format!("jobs/{id}");
    for page in PAGES.into_iter().chain([&*letter, &*about]) {
        browser.goto(&console.page(page)).await;
        for (width, height) in [(360, 740), (1280, 900)] {
            browser.resize(width, height).await;
            let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let wider = browser.evaluate(script).await;
            assert_eq!(wider, 0, "{page:?} is wider than {width} px");
        }
        for scheme in ["light", "dark"] {
            browser.prefer_color_scheme(scheme).await;
            let faint = browser.evaluate(FAINT_TEXTS).await;
            assert_eq!(faint, json!([]), "{page:?} in {scheme}: text with a contrast below 4.5");
        }
        let nodes = browser.accessible().await;
        let unnamed: Vec<_> = nodes
            .iter()
            .filter(|(role, name)| NAMED_ROLES.contains(&&**role) && name.is_empty())
            .collect();
        assert!(unnamed.is_empty(), "{page:?}: elements without a name: {unnamed:?}");
        let has = |role| nodes.iter().any(|(each, _)| each == role);
        assert!(has("heading") && has("main") && has("navigation"), "{page:?}: {nodes:?}");
        assert_eq!(browser.complaints().await, [] as [&str; 0], "{page:?}");
    }
    let schemes = async |scheme| {
        browser.prefer_color_scheme(scheme).await;
        browser.evaluate("return getComputedStyle(document.body).backgroundColor").await
    };
    assert_ne!(schemes("light").await, schemes("dark").await);

    // Without the script, the first page reloads itself.
    browser.goto(&console.address).await;
    let noscript = browser.evaluate("return document.querySelector('noscript').textContent").await;
    assert!(noscript.as_str().is_some_and(|html| html.contains("http-equiv=\"refresh\"")));
    registrar(&stack, &["dead-letters", "purge", "--all", "--apply"]).await.expect(0, &["deleted"]);
    console.stop().await;
    browser.close().await;
}

/// Roles whose elements must have a name.
const NAMED_ROLES: [&str; 9] =
    ["link", "button", "textbox", "combobox", "image", "Iframe", "region", "table", "navigation"];

/// The visible texts whose contrast is below what WCAG 2.2 asks for ("Contrast (Minimum)": 4.5 to 1). Text of a
/// transparent colour does not occur.
const FAINT_TEXTS: &str = r"
const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const over = ([r, g, b, a = 1], below) => [r, g, b].map((part, i) => part * a + below[i] * (1 - a));
const back = (element) => {
  if (!element) return [255, 255, 255];
  const color = parse(getComputedStyle(element).backgroundColor);
  return color[3] === undefined || color[3] === 1 ? color : over(color, back(element.parentElement));
};
const light = (color) => {
  const [r, g, b] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const faint = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || ['TITLE', 'DESC', 'NOSCRIPT'].includes(element.tagName.toUpperCase())) continue;
  const style = getComputedStyle(element);
  const below = back(element);
  const isDrawn = element instanceof SVGElement;
  const color = over(parse(isDrawn ? style.fill : style.color), below);
  const [high, low] = [light(color), light(below)].sort((a, b) => b - a);
  const contrast = (high + 0.05) / (low + 0.05);
  if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
}
return faint;
";

/// A page of a server of its own. Returns its address.
fn serve(html: String) -> String {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = connection.read(&mut head);
            let length = html.len();
            let _ = write!(
                connection,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{html}"
            );
        }
    });
    format!("http://{address}/")
}
