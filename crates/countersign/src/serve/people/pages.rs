//! The pages on which people sign in: without scripts, readable in the dark, usable with the keyboard alone.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#c8ccd4,#4a5160);--accent:light-dark(#0b57b7,#7ab2ff);\
--bad:light-dark(#a4161a,#ff9a94);--field:light-dark(#fff,#1c2027)}\
body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:100vh;margin:0;\
background:light-dark(#f3f5f8,#12151a);color:light-dark(#1a1d23,#e8eaee)}\
main{width:min(24rem,calc(100vw - 2rem));padding:2rem;border:1px solid var(--line);border-radius:.75rem;\
background:light-dark(#fff,#181b21);box-sizing:border-box}\
h1{font-size:1.25rem;margin:0 0 .25rem}p{margin:.5rem 0}.quiet{opacity:.75;font-size:.9rem}\
label{display:block;margin-top:1rem;font-weight:600}\
input{font:inherit;width:100%;padding:.55rem .7rem;border:1px solid var(--line);border-radius:.4rem;\
box-sizing:border-box;background:var(--field);color:inherit}\
button,.button{font:inherit;font-weight:600;display:block;width:100%;margin-top:1.25rem;padding:.6rem;border:0;\
border-radius:.4rem;background:var(--accent);color:light-dark(#fff,#0c1017);cursor:pointer;text-align:center;\
text-decoration:none;box-sizing:border-box}.second{background:none;border:1px solid var(--line);color:inherit}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
.bad{color:var(--bad);font-weight:600}code{font-size:1.1em}";

/// A page of its own with everything that it may load: nothing but its style.
fn page(status: StatusCode, title: &str, form_action: &str, content: &Markup) -> Response<Body> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) " – Countersign" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    // Browsers hold a form's redirects to `form-action` too, so where the client waits must be named.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {form_action}; base-uri 'none'; \
         frame-ancestors 'none'",
        STANDARD.encode(digest)
    );
    let mut response = Response::new(Body::from(markup.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What a sign-in page says around its form.
pub(super) struct SignIn<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    /// The handle of this sign-in.
    pub(super) handle: &'a str,
    pub(super) login_hint: &'a str,
    /// Why the last try failed.
    pub(super) problem: Option<&'a str>,
    /// Where a form may lead.
    pub(super) form_action: &'a str,
    /// Label of the button to another provider.
    pub(super) external: Option<&'a str>,
}

/// Name and password.
pub(super) fn password(sign_in: &SignIn<'_>) -> Response<Body> {
    let status = if sign_in.problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let content = html! {
        h1 { "Sign in" }
        p.quiet { "to " strong { (sign_in.client) } " at " strong { (sign_in.tenant) } }
        @if let Some(problem) = sign_in.problem { p.bad role="alert" { (problem) } }
        form method="post" action="/signin" {
            input type="hidden" name="handle" value=(sign_in.handle);
            label for="user" { "User name" }
            input #user name="user" type="email" autocomplete="username" required value=(sign_in.login_hint)
                autofocus[sign_in.login_hint.is_empty()];
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required
                autofocus[!sign_in.login_hint.is_empty()];
            button type="submit" { "Sign in" }
        }
        @if let Some(label) = sign_in.external {
            form method="post" action="/signin/external" {
                input type="hidden" name="handle" value=(sign_in.handle);
                button.second type="submit" { (label) }
            }
        }
    };
    page(status, "Sign in", sign_in.form_action, &content)
}

/// The code of an authenticator app.
pub(super) fn code(sign_in: &SignIn<'_>) -> Response<Body> {
    let status = if sign_in.problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let content = html! {
        h1 { "Enter your code" }
        p.quiet { "Six digits from your authenticator app." }
        @if let Some(problem) = sign_in.problem { p.bad role="alert" { (problem) } }
        form method="post" action="/signin" {
            input type="hidden" name="handle" value=(sign_in.handle);
            label for="code" { "Code" }
            input #code name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" required autofocus;
            button type="submit" { "Verify" }
        }
    };
    page(status, "Enter your code", sign_in.form_action, &content)
}

/// The code that a device shows.
pub(super) fn user_code(problem: Option<&str>, given: &str) -> Response<Body> {
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let content = html! {
        h1 { "Connect a device" }
        p.quiet { "Enter the code that your script or device shows. Do so only if you started it yourself." }
        @if let Some(problem) = problem { p.bad role="alert" { (problem) } }
        form method="post" action="/device" {
            label for="user_code" { "Code" }
            input #user_code name="user_code" autocomplete="off" autocapitalize="characters" required autofocus value=(given);
            button type="submit" { "Next" }
        }
    };
    page(status, "Connect a device", "", &content)
}

/// Whether a device may act for the person.
pub(super) fn confirm_device(client: &str, user: &str, handle: &str) -> Response<Body> {
    let content = html! {
        h1 { "Connect the device?" }
        p { strong { (client) } " will be able to act for " strong { (user) } "." }
        form method="post" action="/device/confirm" {
            input type="hidden" name="handle" value=(handle);
            button type="submit" name="answer" value="yes" autofocus { "Connect" }
            button.second type="submit" name="answer" value="no" { "Cancel" }
        }
    };
    page(StatusCode::OK, "Connect the device?", "", &content)
}

/// The end of a flow that leads nowhere else.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let content = html! { h1 { (title) } p { (text) } };
    page(status, title, "", &content)
}

/// An answer that the browser posts to the client (`response_mode=form_post`).
pub(super) fn form_post(redirect_uri: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let content = html! {
        h1 { "Signed in" }
        form method="post" action=(redirect_uri) {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button type="submit" autofocus { "Continue" }
        }
    };
    page(StatusCode::OK, "Signed in", &super::authorize::origin(redirect_uri), &content)
}
