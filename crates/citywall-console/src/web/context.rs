//! Who asks, in which language, and how a request is refused.
//!
//! Owns: the extractors that every page begins with, and errors as pages or JSON. Does not own: the
//! session table, and who may do what.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::{FRAGMENT, LoggedIn, Source, cookie, layout};
use crate::app::App;
use crate::board::Incident;
use crate::known::Known;
use crate::permission::{Deed, Person, Reach};
use crate::words::Language;

/// A request whose person need not be known.
pub struct Look {
    /// All that is shared.
    pub app: Arc<App>,
    /// The language's tag.
    pub tag: String,
    /// `light` or `dark`, where it was chosen.
    pub theme: Option<&'static str>,
    /// Path and query.
    pub uri: Uri,
    /// Asked by the page's own code.
    pub fragment: bool,
    /// From where.
    pub source: Source,
    /// Under which name the console was asked: the `Host` header.
    pub host: String,
}

impl Look {
    /// The language.
    pub fn l(&self) -> Language<'_> {
        Language {
            words: &self.app.words,
            tag: &self.tag,
        }
    }

    /// Is it the API that is asked?
    pub fn is_api(&self) -> bool {
        self.uri.path().starts_with("/api/")
    }
}

impl FromRequestParts<Arc<App>> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Look, Infallible> {
        let headers = &parts.headers;
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let language = app
            .words
            .language(cookie(headers, "lang"), accepted.unwrap_or_default());
        let theme = match cookie(headers, "theme") {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        let uri = parts
            .extensions
            .get::<axum::extract::OriginalUri>()
            .map(|u| u.0.clone());
        Ok(Look {
            app: Arc::clone(app),
            tag: language.tag.to_owned(),
            theme,
            uri: uri.unwrap_or_else(|| parts.uri.clone()),
            fragment: headers.contains_key(FRAGMENT),
            host: headers
                .get(header::HOST)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            source: parts
                .extensions
                .get()
                .copied()
                .unwrap_or(Source([127, 0, 0, 1].into())),
        })
    }
}

/// A request of somebody who is logged in.
pub struct Ctx {
    /// Language and the like.
    pub look: Look,
    /// The city as its file was when the request came.
    pub known: Arc<Known>,
    /// Who.
    pub person: Person,
    /// Stands in every form.
    pub csrf: String,
    /// The session's token.
    pub token: String,
}

impl Ctx {
    /// The language.
    pub fn l(&self) -> Language<'_> {
        self.look.l()
    }

    /// All that is shared.
    pub fn app(&self) -> &Arc<App> {
        &self.look.app
    }

    /// Does the person see this incident?
    pub fn sees(&self, incident: &Incident) -> bool {
        self.person.sees(self.known.zones_of(incident))
    }

    /// May the person do this about an incident?
    pub fn may(&self, deed: Deed, incident: &Incident) -> bool {
        self.person
            .may(deed, self.person.reach(self.known.zones_of(incident)))
    }

    /// May the person do what is about no zone?
    pub fn may_anywhere(&self, deed: Deed) -> bool {
        self.person.may(deed, Reach::Own)
    }

    /// The token of a form, or of a header, must be the session's.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check(&self, csrf: &str) -> Result<(), Refusal> {
        // Both are of the same length, and 256 bits: there is nothing to learn from the time it takes.
        match csrf == self.csrf {
            true => Ok(()),
            false => Err(self.refuse(StatusCode::FORBIDDEN, "error-form")),
        }
    }

    /// A refusal with a message of the language files.
    pub fn refuse(&self, status: StatusCode, id: &str) -> Refusal {
        Refusal {
            status,
            title: self.l().t("error-title"),
            text: self.l().t(id),
            api: self.look.is_api(),
            tag: self.look.tag.clone(),
        }
    }

    /// A refusal in other words.
    pub fn refuse_with(&self, status: StatusCode, text: String) -> Refusal {
        Refusal {
            text,
            ..self.refuse(status, "error-title")
        }
    }
}

impl FromRequestParts<Arc<App>> for Ctx {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Ctx, Response> {
        let Ok(look) = Look::from_request_parts(parts, app).await;
        let login = parts.extensions.get::<LoggedIn>().cloned();
        // Who is no longer in the city file is nobody.
        let known = app.known();
        let found = login.and_then(|login| Some((known.person(&login.session.person)?, login)));
        match found {
            Some((person, login)) => Ok(Ctx {
                look,
                known,
                person,
                csrf: login.session.csrf,
                token: login.token,
            }),
            None if look.is_api() || look.fragment || look.uri.path() == "/stream" => {
                let text = look.l().t("error-login");
                Err((
                    StatusCode::UNAUTHORIZED,
                    axum::Json(serde_json::json!({ "error": text })),
                )
                    .into_response())
            }
            None => {
                let back = look.uri.path_and_query().map_or("/", |p| p.as_str());
                let query = serde_urlencoded::to_string([("back", back)]).unwrap_or_default();
                Err(Redirect::to(&format!("/login?{query}")).into_response())
            }
        }
    }
}

/// A refusal, as a page or as JSON.
pub struct Refusal {
    status: StatusCode,
    title: String,
    text: String,
    api: bool,
    tag: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.api {
            let body = serde_json::json!({ "error": self.text });
            return (self.status, axum::Json(body)).into_response();
        }
        let body = html! {
            h1 { (self.title) }
            p { (self.text) }
            p { a href="/" { "←" } }
        };
        (self.status, layout::bare(&self.tag, None, &self.title, body)).into_response()
    }
}

impl Refusal {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A path that leads nowhere.
pub async fn not_found(State(app): State<Arc<App>>, look: Look) -> Response {
    refusal(&app, &look, StatusCode::NOT_FOUND, "error-nowhere")
}

/// A method that a path does not have.
pub async fn not_allowed(State(app): State<Arc<App>>, look: Look) -> Response {
    refusal(&app, &look, StatusCode::METHOD_NOT_ALLOWED, "error-method")
}

fn refusal(_app: &Arc<App>, look: &Look, status: StatusCode, id: &str) -> Response {
    Refusal {
        status,
        title: look.l().t("error-title"),
        text: look.l().t(id),
        api: look.is_api(),
        tag: look.tag.clone(),
    }
    .into_response()
}

/// A path that leads back into the console, and nowhere else.
pub fn inside(back: &str) -> &str {
    let safe = back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\n', '\r', '\t']);
    if safe { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_leads_nowhere_else() {
        for out in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "",
            "javascript:alert(1)",
            "/\t/evil",
        ] {
            assert_eq!(inside(out), "/", "{out}");
        }
        assert_eq!(inside("/events?kind=dns"), "/events?kind=dns");
    }
}
