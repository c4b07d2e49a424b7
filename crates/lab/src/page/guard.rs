//! Who may see the lab: the browser that came by the link, asking this address by its name (LA-51, LA-52).

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Lab;
use crate::LabError;

/// Bytes of the token.
const TOKEN: usize = 16;
/// What a page may load and do: its own style, script and stream, and nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What a request has to show.
pub(super) struct Guard {
    token: String,
    address: SocketAddr,
}

impl Guard {
    /// With a new token.
    ///
    /// # Errors
    /// [`LabError::Stage`] without randomness.
    pub fn new(address: SocketAddr) -> Result<Self, LabError> {
        let mut token = [0; TOKEN];
        aws_lc_rs::rand::fill(&mut token).map_err(|_| LabError::stage("no randomness"))?;
        Ok(Self { token: hex::encode(token), address })
    }

    pub fn link(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    fn is(&self, token: &str) -> bool {
        verify_slices_are_equal(token.as_bytes(), self.token.as_bytes()).is_ok()
    }

    /// Cookies are for all ports of a host.
    fn cookie(&self) -> String {
        format!("countersign-lab-{}", self.address.port())
    }

    /// Whether a name, as a browser gives it, is this address: another one may lead here by the attacker's DNS.
    fn is_named(&self, host: &str) -> bool {
        host == self.address.to_string() || host == format!("localhost:{}", self.address.port())
    }

    fn let_in(&self, request: &Request) -> Entry {
        let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        if !header(HOST).is_some_and(|host| self.is_named(host)) {
            return Entry::Refused("The lab is asked for under another name than its own.");
        }
        let own = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| self.is_named(host));
        let foreign = request.headers().contains_key(ORIGIN) && !header(ORIGIN).is_some_and(own);
        if request.method() != Method::GET && foreign {
            return Entry::Refused("Another page asked for this.");
        }
        let query = request.uri().query().unwrap_or_default();
        if request.method() == Method::GET && query.strip_prefix("token=").is_some_and(|token| self.is(token))
        {
            return Entry::ByLink;
        }
        let name = format!("{}=", self.cookie());
        let cookies = request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let shown = cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(&name))
            .any(|token| self.is(token));
        match shown {
            true => Entry::Granted,
            false => Entry::Refused("Open the link that “countersign lab” printed: it holds a token."),
        }
    }
}

enum Entry {
    Granted,
    /// The token of the link becomes a cookie, so that it does not stay in the address bar.
    ByLink,
    Refused(&'static str),
}

/// Lets requests through to the pages, or answers them.
pub(super) async fn check(State(lab): State<Arc<Lab>>, request: Request, next: Next) -> Response {
    let mut response = match lab.guard.let_in(&request) {
        Entry::Granted => next.run(request).await,
        Entry::ByLink => {
            let guard = &lab.guard;
            let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", guard.cookie(), guard.token);
            (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
        }
        Entry::Refused(why) => (StatusCode::FORBIDDEN, why).into_response(),
    };
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer browsers would not name the origin of a form either.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
